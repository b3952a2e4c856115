"""What PyTorch's DataLoader reaches with the photos, threads and size of `caretta bench --loading`, by torchvision's transforms.

Called by `caretta bench --loading --peer PYTHON` with one JSON object as its argument; prints a JSON object. Its changes at random are
fewer than Caretta's: a crop, a mirror image and colours. It keeps no cache, so that each of its epochs is a first one.
"""

import sys

sys.path[:] = [place for place in sys.path if place]  # not the folder that it is called in

import json
import statistics
import time
import warnings

warnings.filterwarnings("ignore")  # deprecations, which are nobody's here
import torch
import torchvision
from PIL import Image
from torchvision import transforms

plan = json.loads(sys.argv[1])
torch.set_num_threads(1)
change = transforms.Compose(
    [
        transforms.RandomResizedCrop(plan["image_size"], scale=(0.7, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(0.2, 0.2, 0.2),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)


class Photos(torch.utils.data.Dataset):
    def __len__(self):
        return len(plan["photos"])

    def __getitem__(self, index):
        return change(Image.open(plan["photos"][index]).convert("RGB"))


workers = plan["workers"]
loader = torch.utils.data.DataLoader(
    Photos(), batch_size=plan["batch_size"], shuffle=True, num_workers=workers, persistent_workers=workers > 0
)
seconds, begin = [], time.perf_counter()
for _ in loader:  # its processes start
    pass
while len(seconds) < 2 or time.perf_counter() - begin < plan["seconds"]:
    before = time.perf_counter()
    for _ in loader:
        pass
    seconds.append(time.perf_counter() - before)
rates = {"best": len(plan["photos"]) / min(seconds), "median": len(plan["photos"]) / statistics.median(seconds)}
by = f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}"
for what in ("first epoch", "later epochs"):
    print(json.dumps({"what": what, "by": by, "how": "DataLoader", **rates}))
