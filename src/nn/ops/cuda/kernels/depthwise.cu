// Depthwise convolutions: a window for each channel.

// ---- depthwise windows of K x K, stride S; a thread makes PX neighbours of a row

template <int K, int S, int PX, bool FLIP>
__device__ __forceinline__ void depthwise(u32 n, u32 channels, int h, int w, int oh, int ow, int ph, int pw, int more,
                                          const real *x, const float *weight, real *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % channels, t = i / channels;
    int groups = (ow + PX - 1) / PX, ox = (int)(t % groups) * PX, oy = t / groups % oh;
    size_t photo = t / groups / oh;
    const real *plane = x + photo * h * w * channels + c;
    float sum[PX];
#pragma unroll
    for (int p = 0; p < PX; p++) sum[p] = 0.0f;
#pragma unroll
    for (int ky = 0; ky < K; ky++) {
        int iy = oy * S - ph + ky;
        if (iy < 0 || iy >= h) continue;
        const real *row = plane + (size_t)iy * w * channels;
        float v[(PX - 1) * S + K];
#pragma unroll
        for (int j = 0; j < (PX - 1) * S + K; j++) {
            int ix = ox * S - pw + j;
            v[j] = ix >= 0 && ix < w ? row[(size_t)ix * channels] : 0.0f;
        }
#pragma unroll
        for (int kx = 0; kx < K; kx++) {
            float f = weight[(FLIP ? (K - 1 - ky) * K + K - 1 - kx : ky * K + kx) * channels + c];
#pragma unroll
            for (int p = 0; p < PX; p++) sum[p] += v[p * S + kx] * f;
        }
    }
    real *out = y + ((photo * oh + oy) * ow + ox) * channels + c;
#pragma unroll
    for (int p = 0; p < PX; p++)
        if (ox + p < ow) out[(size_t)p * channels] = (more ? out[(size_t)p * channels] : 0.0f) + sum[p];
}

#define DEPTHWISE_PARAMS \
    (u32 n, u32 channels, int h, int w, int oh, int ow, int ph, int pw, int more, const real *x, const float *weight, real *y)
#define DEPTHWISE(K) \
    KERNEL depthwise_##K##_1 DEPTHWISE_PARAMS { depthwise<K, 1, 4, false>(n, channels, h, w, oh, ow, ph, pw, more, x, weight, y); } \
    KERNEL depthwise_##K##_2 DEPTHWISE_PARAMS { depthwise<K, 2, 4, false>(n, channels, h, w, oh, ow, ph, pw, more, x, weight, y); } \
    KERNEL depthwise_back_##K##_1 DEPTHWISE_PARAMS { depthwise<K, 1, 4, true>(n, channels, h, w, oh, ow, ph, pw, more, x, weight, y); } \
    KERNEL depthwise_weight_##K##_1 DEPTHWISE_WEIGHT_PARAMS { depthwise_weight<K, 1>(rows, channels, columns, h, w, oh, ow, ph, pw, x, gy, partial); } \
    KERNEL depthwise_weight_##K##_2 DEPTHWISE_WEIGHT_PARAMS { depthwise_weight<K, 2>(rows, channels, columns, h, w, oh, ow, ph, pw, x, gy, partial); }

// the gradient of the input for a stride of two: each input gathers from the outputs whose windows hold it
template <int K, int V>
__device__ __forceinline__ void depthwise_back(u32 n, u32 channels, int h, int w, int oh, int ow, int ph, int pw, int more,
                                               const real *gy, const float *weight, real *gx) {
    u32 i = global_index();
    if (i >= n) return;
    u32 at = i * V, c = at % channels, t = at / channels;
    int ix = t % w, iy = t / w % h;
    const real *gradient = gy + (size_t)(t / w / h) * oh * ow * channels + c;
    float sum[V];
    for (int k = 0; k < V; k++) sum[k] = 0.0f;
#pragma unroll
    for (int ky = 0; ky < K; ky++) {
        int oy = (iy + ph - ky) / 2;
        if ((iy + ph - ky) & 1 || iy + ph < ky || oy >= oh) continue;
#pragma unroll
        for (int kx = 0; kx < K; kx++) {
            int ox = (ix + pw - kx) / 2;
            if ((ix + pw - kx) & 1 || ix + pw < kx || ox >= ow) continue;
            float g[V], f[V];
            load<V>(g, gradient + (size_t)(oy * ow + ox) * channels);
            load<V>(f, weight + (ky * K + kx) * channels + c);
            for (int k = 0; k < V; k++) sum[k] += g[k] * f[k];
        }
    }
    float there[V];
    if (more) load<V>(there, gx + at);
    for (int k = 0; k < V; k++) sum[k] += more ? there[k] : 0.0f;
    store<V>(gx + at, sum);
}

#define DEPTHWISE_BACK(K) \
    KERNEL depthwise_back_##K##_2_4 DEPTHWISE_PARAMS { depthwise_back<K, 4>(n, channels, h, w, oh, ow, ph, pw, more, x, weight, y); } \
    KERNEL depthwise_back_##K##_2_1 DEPTHWISE_PARAMS { depthwise_back<K, 1>(n, channels, h, w, oh, ow, ph, pw, more, x, weight, y); }
DEPTHWISE_BACK(3)
DEPTHWISE_BACK(5)
DEPTHWISE_BACK(7)

#define DEPTHWISE_WEIGHT_PARAMS \
    (u32 rows, u32 channels, u32 columns, int h, int w, int oh, int ow, int ph, int pw, const real *x, const real *gy, float *partial)

// a thread walks output rows with its window of the input in registers; a "row" is one row of one photo's output
template <int K, int S>
__device__ __forceinline__ void depthwise_weight(u32 rows, u32 channels, u32 columns, int h, int w, int oh, int ow, int ph,
                                                 int pw, const real *x, const real *gy, float *partial) {
    __shared__ float shared[THREADS];
    Walk walker = walk<1>(rows, channels, columns);
    float sum[K * K];
#pragma unroll
    for (int k = 0; k < K * K; k++) sum[k] = 0.0f;
    if (walker.inside) {
        for (u32 r = walker.first; r < walker.end; r += walker.step) {
            int oy = r % oh;
            const real *plane = x + (size_t)(r / oh) * h * w * channels + walker.channel;
            const real *gradient = gy + (size_t)r * ow * channels + walker.channel;
            float v[K * K];
            for (int ox = 0; ox < ow; ox++) {
#pragma unroll
                for (int ky = 0; ky < K; ky++) {
                    int iy = oy * S - ph + ky;
#pragma unroll
                    for (int kx = 0; kx < K; kx++) {
                        if (kx + S < K && ox > 0) {
                            v[ky * K + kx] = v[(ky * K + kx + S) % (K * K)];
                        } else {
                            int ix = ox * S - pw + kx;
                            bool there = iy >= 0 && iy < h && ix >= 0 && ix < w;
                            v[ky * K + kx] = there ? plane[(size_t)(iy * w + ix) * channels] : 0.0f;
                        }
                    }
                }
                float g = gradient[(size_t)ox * channels];
#pragma unroll
                for (int k = 0; k < K * K; k++) sum[k] += v[k] * g;
            }
        }
    }
    float *out = partial_of(partial, K * K, channels);
#pragma unroll
    for (int k = 0; k < K * K; k++) {
        float one[1] = {sum[k]};
        column_sum<1>(shared, one, columns, walker, channels, out + (size_t)k * channels);
    }
}

DEPTHWISE(3)
DEPTHWISE(5)
DEPTHWISE(7)
