"""What a peer reaches with the same network, batch and photos as `caretta bench`: PyTorch, and ONNX Runtime where it is installed.

Called by `caretta bench --peer PYTHON` with one JSON object as its argument; prints a JSON object a line for each way tried.
Photos are already floats here, which Caretta's are not: the difference is the peer's to keep.
"""

import sys

sys.path[:] = [place for place in sys.path if place]  # not the folder that it is called in

import contextlib
import io
import json
import os
import statistics
import tempfile
import time
import warnings

plan = json.loads(sys.argv[1])
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(plan["threads"])

warnings.filterwarnings("ignore")  # deprecations, which are nobody's here
import torch

DIMENSIONS = 128
TIMM = {"efficientnet_lite0": "tf_efficientnet_lite0"}
device = torch.device(plan["device"])
torch.set_num_threads(plan["threads"])
torch.set_float32_matmul_precision(plan["precision"])
torch.backends.cudnn.allow_tf32 = plan["precision"] == "high"
torch.backends.cudnn.benchmark = True


def network():
    """The backbone from random weights, with an embedding of as many numbers as Caretta's benchmark has."""
    torch.manual_seed(0)
    if plan["backbone"] in TIMM:
        import timm

        return timm.create_model(TIMM[plan["backbone"]], num_classes=DIMENSIONS)
    import torchvision

    return torchvision.models.get_model(plan["backbone"], weights=None, num_classes=DIMENSIONS)


def wait():
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(step):
    """Seconds of each step, after one that warms up."""
    step()
    wait()
    seconds, begin = [], time.perf_counter()
    while len(seconds) < 3 or time.perf_counter() - begin < plan["seconds"]:
        before = time.perf_counter()
        step()
        wait()
        seconds.append(time.perf_counter() - before)
    return seconds


def tell(what, by, how, seconds):
    size = plan["batch_size"]
    rates = {"best": size / min(seconds), "median": size / statistics.median(seconds)}
    print(json.dumps({"what": what, "by": by, "how": how, **rates}), flush=True)


photos = torch.randn(plan["batch_size"], 3, plan["image_size"], plan["image_size"], device=device)
BY = "PyTorch " + torch.__version__
WAYS = [
    ("fp32", torch.contiguous_format, None),
    ("fp32, channels_last", torch.channels_last, None),
    ("bf16 autocast, channels_last", torch.channels_last, torch.bfloat16),
]
for how, layout, kind in WAYS:
    if device.type == "cuda":
        how = how.replace("fp32", {"high": "TF32", "highest": "fp32"}[plan["precision"]])
    model = network().to(device).to(memory_format=layout).train()
    seen = photos.to(memory_format=layout)
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, weight_decay=1e-4)
    cast = (lambda: torch.autocast(device.type, kind)) if kind else contextlib.nullcontext

    def train():
        optimiser.zero_grad(set_to_none=True)
        with cast():
            loss = torch.nn.functional.normalize(model(seen).float()).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    tell("training", BY, how, timed(train))
    model.eval()

    def embed():
        with torch.inference_mode(), cast():
            torch.nn.functional.normalize(model(seen).float())

    tell("embedding", BY, how, timed(embed))

if device.type == "cpu":
    try:
        import onnx
        import onnxruntime
    except ImportError:
        sys.exit(0)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = os.path.join(folder, "network.onnx")
        torch.onnx.export(network().eval(), (photos,), path, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = plan["threads"]
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: photos.numpy()}
    tell("embedding", "ONNX Runtime " + onnxruntime.__version__, "fp32", timed(lambda: session.run(None, given)))
