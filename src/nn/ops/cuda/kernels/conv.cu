// Convolutions that neither cuDNN nor a depthwise kernel makes.

// ---- any other convolution: plain loops, correct and slow

#define CONV_PARAMS \
    u32 n, int c, int h, int w, int o, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw, int dh, int dw, int groups

KERNEL conv(CONV_PARAMS, const real *x, const float *weight, real *y) {
    u32 i = global_index();
    if (i >= n) return;
    int ic = c / groups, oc = o / groups;
    int out = i % o, ox = i / o % ow, oy = i / o / ow % oh;
    size_t photo = i / o / ow / oh;
    float sum = 0.0f;
    for (int ky = 0; ky < kh; ky++) {
        int iy = oy * sh - ph + ky * dh;
        if (iy < 0 || iy >= h) continue;
        for (int kx = 0; kx < kw; kx++) {
            int ix = ox * sw - pw + kx * dw;
            if (ix < 0 || ix >= w) continue;
            const real *a = x + ((photo * h + iy) * w + ix) * c + out / oc * ic;
            const float *b = weight + ((size_t)(out * kh + ky) * kw + kx) * ic;
            for (int k = 0; k < ic; k++) sum += a[k] * b[k];
        }
    }
    y[i] = sum;
}

KERNEL conv_back(CONV_PARAMS, int more, const real *gy, const float *weight, real *gx) {
    u32 i = global_index();
    if (i >= n) return;
    int ic = c / groups, oc = o / groups;
    int in = i % c, ix = i / c % w, iy = i / c / w % h, group = in / ic;
    size_t photo = i / c / w / h;
    float sum = 0.0f;
    for (int ky = 0; ky < kh; ky++) {
        int y = iy + ph - ky * dh;
        if (y < 0 || y % sh || y / sh >= oh) continue;
        for (int kx = 0; kx < kw; kx++) {
            int xx = ix + pw - kx * dw;
            if (xx < 0 || xx % sw || xx / sw >= ow) continue;
            const real *g = gy + ((photo * oh + y / sh) * ow + xx / sw) * o + group * oc;
            const float *b = weight + (((size_t)(group * oc) * kh + ky) * kw + kx) * ic + in % ic;
            for (int k = 0; k < oc; k++) sum += g[k] * b[(size_t)k * kh * kw * ic];
        }
    }
    gx[i] = (more ? gx[i] : 0.0f) + sum;
}

KERNEL conv_weight(CONV_PARAMS, int photos, const real *x, const real *gy, float *into) {
    u32 i = global_index();
    if (i >= n) return;
    int ic = c / groups, oc = o / groups;
    int in = i % ic, kx = i / ic % kw, ky = i / ic / kw % kh, out = i / ic / kw / kh;
    int channel = out / oc * ic + in;
    float sum = 0.0f;
    for (int photo = 0; photo < photos; photo++)
        for (int oy = 0; oy < oh; oy++) {
            int iy = oy * sh - ph + ky * dh;
            if (iy < 0 || iy >= h) continue;
            for (int ox = 0; ox < ow; ox++) {
                int ix = ox * sw - pw + kx * dw;
                if (ix < 0 || ix >= w) continue;
                sum += x[(((size_t)photo * h + iy) * w + ix) * c + channel] * gy[(((size_t)photo * oh + oy) * ow + ox) * o + out];
            }
        }
    into[i] += sum;
}
