// Pooling windows, there and back.

// ---- pooling: kind 0 the largest, 1 the mean of the whole window

#define WINDOW_PARAMS int h, int w, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw

KERNEL pool(u32 n, u32 channels, int kind, WINDOW_PARAMS, const real *x, real *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % channels, t = i / channels;
    int ox = t % ow, oy = t / ow % oh;
    const real *photo = x + (size_t)(t / ow / oh) * h * w * channels + c;
    float best = __int_as_float(0xff800000), sum = 0.0f;
    for (int ky = 0; ky < kh; ky++) {
        int iy = oy * sh - ph + ky;
        if (iy < 0 || iy >= h) continue;
        for (int kx = 0; kx < kw; kx++) {
            int ix = ox * sw - pw + kx;
            if (ix < 0 || ix >= w) continue;
            float v = photo[(size_t)(iy * w + ix) * channels];
            best = best > v ? best : v;
            sum += v;
        }
    }
    y[i] = kind == 0 ? best : sum / (float)(kh * kw);
}

// which place of its window is the largest, the first of equals
KERNEL pool_place(u32 n, u32 channels, WINDOW_PARAMS, const real *x, unsigned char *place) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % channels, t = i / channels;
    int ox = t % ow, oy = t / ow % oh, found = 255;
    const real *photo = x + (size_t)(t / ow / oh) * h * w * channels + c;
    float best = __int_as_float(0xff800000);
    for (int ky = 0; ky < kh; ky++) {
        int iy = oy * sh - ph + ky;
        if (iy < 0 || iy >= h) continue;
        for (int kx = 0; kx < kw; kx++) {
            int ix = ox * sw - pw + kx;
            if (ix < 0 || ix >= w) continue;
            float v = photo[(size_t)(iy * w + ix) * channels];
            if (!(best >= v)) {
                best = v;
                found = ky * kw + kx;
            }
        }
    }
    place[i] = (unsigned char)found;
}

// each input gathers from the windows that it lies in; `place` is none for means
KERNEL pool_back(u32 n, u32 channels, WINDOW_PARAMS, const unsigned char *place, const real *gy, real *gx) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % channels, t = i / channels;
    int ix = t % w, iy = t / w % h;
    size_t photo = t / w / h;
    int y0 = iy + ph - kh + 1, x0 = ix + pw - kw + 1;
    int oy0 = y0 <= 0 ? 0 : (y0 + sh - 1) / sh, ox0 = x0 <= 0 ? 0 : (x0 + sw - 1) / sw;
    float sum = 0.0f;
    for (int oy = oy0; oy < oh && oy * sh - ph <= iy; oy++) {
        for (int ox = ox0; ox < ow && ox * sw - pw <= ix; ox++) {
            size_t at = ((photo * oh + oy) * ow + ox) * channels + c;
            if (!place) sum += gy[at] / (float)(kh * kw);
            else if (place[at] == (iy + ph - oy * sh) * kw + ix + pw - ox * sw) sum += gy[at];
        }
    }
    gx[i] = sum;
}
