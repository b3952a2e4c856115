// Places moved: a thread for a value of the output.

#define FRAME_PARAMS u32 channels, u32 h, u32 w, u32 oh, u32 ow

// four neighbours as one place; `channels` are those of x
KERNEL merge(u32 n, FRAME_PARAMS, const real *x, real *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % channels, corner = i / channels % 4, t = i / channels / 4;
    u32 row = t / ow % oh * 2 + corner % 2, column = t % ow * 2 + corner / 2;
    size_t from = (((size_t)(t / ow / oh) * h + row) * w + column) * channels + c;
    y[i] = row < h && column < w ? x[from] : 0.0f;
}

// the way back: the gradient of x from that of y
KERNEL part(u32 n, FRAME_PARAMS, const real *y, real *x) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % channels, t = i / channels, column = t % w, row = t / w % h;
    u32 corner = row % 2 + 2 * (column % 2);
    x[i] = y[((((size_t)(t / w / h) * oh + row / 2) * ow + column / 2) * 4 + corner) * channels + c];
}

// the upper left of x, zeros elsewhere
KERNEL reframe(u32 n, FRAME_PARAMS, const real *x, real *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % channels, t = i / channels, column = t % ow, row = t / ow % oh;
    size_t from = (((size_t)(t / ow / oh) * h + row) * w + column) * channels + c;
    y[i] = row < h && column < w ? x[from] : 0.0f;
}
