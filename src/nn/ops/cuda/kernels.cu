// The card's own kernels. A map lies as N x H x W x C, so that neighbouring threads read neighbouring channels; weights of
// a convolution as O x H x W x I, of a depthwise one as H x W x C. Sums go in two steps, blocks and then their partial
// sums in order, never by atomics: the same photos give the same bits. Compiled by NVRTC at first use, and by g++ for
// the stand-in of the tests, so: no library, no warp tricks without a plain twin.

typedef unsigned int u32;

#define KERNEL extern "C" __global__ void
#define THREADS 256

// ---- activations: 0 identity, 1 relu, 2 silu, 3 sigmoid

__device__ __forceinline__ float sigmoid_of(float x) { return 1.0f / (1.0f + expf(-x)); }

__device__ __forceinline__ float act(int which, float x) {
    if (which == 1) return x <= 0.0f ? 0.0f : x;  // what is no number stays none
    if (which == 2) return x * sigmoid_of(x);
    if (which == 3) return sigmoid_of(x);
    return x;
}

__device__ __forceinline__ float act_back(int which, float x, float g) {
    if (which == 1) return x > 0.0f ? g : 0.0f;
    if (which == 2) { float s = sigmoid_of(x); return g * s * (1.0f + x * (1.0f - s)); }
    if (which == 3) { float s = sigmoid_of(x); return g * s * (1.0f - s); }
    return g;
}

// ---- four values at once where the channels are a multiple of four

template <int V> __device__ __forceinline__ void load(float (&r)[V], const float *p) {
    if (V == 4) {
        float4 t = *(const float4 *)p;
        r[0] = t.x;
        r[1 % V] = t.y;
        r[2 % V] = t.z;
        r[3 % V] = t.w;
    } else {
        r[0] = *p;
    }
}

template <int V> __device__ __forceinline__ void store(float *p, const float (&r)[V]) {
    if (V == 4)
        *(float4 *)p = make_float4(r[0], r[1 % V], r[2 % V], r[3 % V]);
    else
        *p = r[0];
}

__device__ __forceinline__ u32 global_index() { return blockIdx.x * blockDim.x + threadIdx.x; }

// a kernel for groups of four values and one for single ones; `n` counts groups, `i` is the first value of one
#define BOTH(name, params, args) \
    KERNEL name##_4 params { name<4> args; } \
    KERNEL name##_1 params { name<1> args; }

// ---- element by element

KERNEL photos(u32 n, float m0, float m1, float m2, float d0, float d1, float d2, const unsigned char *bytes, float *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % 3;
    float mean = c == 0 ? m0 : c == 1 ? m1 : m2, deviation = c == 0 ? d0 : c == 1 ? d1 : d2;
    y[i] = ((float)bytes[i] / 255.0f - mean) / deviation;
}

template <int V> __device__ __forceinline__ void activate(u32 n, int which, const float *x, float *y) {
    u32 i = global_index();
    if (i >= n) return;
    float a[V];
    load<V>(a, x + (size_t)i * V);
    for (int k = 0; k < V; k++) a[k] = act(which, a[k]);
    store<V>(y + (size_t)i * V, a);
}
BOTH(activate, (u32 n, int which, const float *x, float *y), (n, which, x, y))

template <int V> __device__ __forceinline__ void activate_back(u32 n, int which, const float *x, const float *gy, float *gx) {
    u32 i = global_index();
    if (i >= n) return;
    float a[V], g[V];
    load<V>(a, x + (size_t)i * V);
    load<V>(g, gy + (size_t)i * V);
    for (int k = 0; k < V; k++) g[k] = act_back(which, a[k], g[k]);
    store<V>(gx + (size_t)i * V, g);
}
BOTH(activate_back, (u32 n, int which, const float *x, const float *gy, float *gx), (n, which, x, gy, gx))

// z = keep x + share y; z may be x
template <int V>
__device__ __forceinline__ void blend(u32 n, float keep, float share, const float *x, const float *y, float *z) {
    u32 i = global_index();
    if (i >= n) return;
    float a[V], b[V];
    load<V>(a, x + (size_t)i * V);
    load<V>(b, y + (size_t)i * V);
    for (int k = 0; k < V; k++) a[k] = keep * a[k] + share * b[k];
    store<V>(z + (size_t)i * V, a);
}
BOTH(blend, (u32 n, float keep, float share, const float *x, const float *y, float *z), (n, keep, share, x, y, z))

KERNEL add_bias(u32 n, u32 channels, const float *bias, float *y) {
    u32 i = global_index();
    if (i < n) y[i] += bias[i % channels];
}

// y = x times the one value that its photo and channel have; `plane` is H x W x C
template <int V>
__device__ __forceinline__ void scale(u32 n, u32 channels, u32 plane, const float *x, const float *s, float *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 at = i * V;
    float a[V], b[V];
    load<V>(a, x + at);
    load<V>(b, s + at / plane * channels + at % channels);
    for (int k = 0; k < V; k++) a[k] *= b[k];
    store<V>(y + at, a);
}
BOTH(scale, (u32 n, u32 channels, u32 plane, const float *x, const float *s, float *y), (n, channels, plane, x, s, y))

// gx = share gy (of photo and channel), added to what is there where `more`
template <int V>
__device__ __forceinline__ void spread(u32 n, u32 channels, u32 plane, float share, int more, const float *gy, float *gx) {
    u32 i = global_index();
    if (i >= n) return;
    u32 at = i * V;
    float a[V], b[V];
    load<V>(b, gy + at / plane * channels + at % channels);
    if (more) load<V>(a, gx + at);
    for (int k = 0; k < V; k++) a[k] = (more ? a[k] : 0.0f) + share * b[k];
    store<V>(gx + at, a);
}
BOTH(spread, (u32 n, u32 channels, u32 plane, float share, int more, const float *gy, float *gx),
     (n, channels, plane, share, more, gy, gx))

// ---- batch norm

template <int V>
__device__ __forceinline__ void norm(u32 n, u32 channels, float epsilon, int which, const float *x, const float *residual,
                                     const float *mean, const float *variance, const float *gain, const float *bias, float *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 at = i * V, c = at % channels;
    float a[V], m[V], v[V], g[V], b[V], r[V];
    load<V>(a, x + at);
    load<V>(m, mean + c);
    load<V>(v, variance + c);
    load<V>(g, gain + c);
    load<V>(b, bias + c);
    if (residual) load<V>(r, residual + at);
    for (int k = 0; k < V; k++) {
        float s = g[k] / sqrtf(v[k] + epsilon);
        float before = (a[k] - m[k]) * s + b[k];
        if (residual) before += r[k];
        a[k] = act(which, before);
    }
    store<V>(y + at, a);
}
BOTH(norm,
     (u32 n, u32 channels, float epsilon, int which, const float *x, const float *residual, const float *mean,
      const float *variance, const float *gain, const float *bias, float *y),
     (n, channels, epsilon, which, x, residual, mean, variance, gain, bias, y))

// gx = scale g + slope x + offset; g is the gradient before the activation, computed again where `kept` is none
template <int V>
__device__ __forceinline__ void norm_back(u32 n, u32 channels, float epsilon, int which, const float *x, const float *gy,
                                          const float *kept, const float *mean, const float *variance, const float *gain,
                                          const float *bias, const float *slope, const float *offset, float *gx) {
    u32 i = global_index();
    if (i >= n) return;
    u32 at = i * V, c = at % channels;
    float a[V], q[V], m[V], v[V], g[V], b[V], s[V], o[V];
    load<V>(a, x + at);
    load<V>(q, (kept ? kept : gy) + at);
    load<V>(m, mean + c);
    load<V>(v, variance + c);
    load<V>(g, gain + c);
    load<V>(b, bias + c);
    load<V>(s, slope + c);
    load<V>(o, offset + c);
    for (int k = 0; k < V; k++) {
        float factor = g[k] / sqrtf(v[k] + epsilon);
        float gradient = kept ? q[k] : act_back(which, (a[k] - m[k]) * factor + b[k], q[k]);
        a[k] = factor * gradient + s[k] * a[k] + o[k];
    }
    store<V>(gx + at, a);
}
BOTH(norm_back,
     (u32 n, u32 channels, float epsilon, int which, const float *x, const float *gy, const float *kept, const float *mean,
      const float *variance, const float *gain, const float *bias, const float *slope, const float *offset, float *gx),
     (n, channels, epsilon, which, x, gy, kept, mean, variance, gain, bias, slope, offset, gx))

// ---- sums of columns: a block takes `columns` groups of V channels and every gridDim.y-th part of the rows of segment
// blockIdx.z

struct Walk {
    u32 channel, first, step, end;
    bool inside;
};

template <int V> __device__ __forceinline__ Walk walk(u32 rows, u32 channels, u32 columns) {
    Walk w;
    u32 lanes = blockDim.x / columns, lane = threadIdx.x / columns, in_tile = threadIdx.x % columns;
    w.channel = (blockIdx.x * columns + in_tile) * V;
    u32 part = (rows + gridDim.y - 1) / gridDim.y, from = blockIdx.y * part;
    w.end = from + part < rows ? from + part : rows;
    w.first = from + lane;
    w.step = lanes;
    w.inside = w.channel < channels && lane < lanes;
    return w;
}

// adds up V values of each thread over the lanes of a column; lane 0 writes the sums
template <int V>
__device__ __forceinline__ void column_sum(float *shared, const float (&value)[V], u32 columns, const Walk &w, u32 channels, float *out) {
#pragma unroll
    for (int k = 0; k < V; k++) {
        __syncthreads();
        shared[threadIdx.x] = value[k];
        __syncthreads();
        if (threadIdx.x < columns && w.channel < channels) {
            float sum = 0.0f;
            for (u32 i = threadIdx.x; i < blockDim.x; i += columns) sum += shared[i];
            out[w.channel + k] = sum;
        }
    }
}

// where the partial sums of this block lie: segment, part, which of `kinds`, channel
__device__ __forceinline__ float *partial_of(float *partial, u32 kinds, u32 channels) {
    return partial + (size_t)(blockIdx.z * gridDim.y + blockIdx.y) * kinds * channels;
}

// x, or x y where there is a y
template <int V>
__device__ __forceinline__ void sums(u32 rows, u32 channels, u32 columns, const float *x, const float *y, float *partial) {
    __shared__ float shared[THREADS];
    Walk w = walk<V>(rows, channels, columns);
    size_t segment = (size_t)blockIdx.z * rows * channels;
    float sum[V];
    for (int k = 0; k < V; k++) sum[k] = 0.0f;
    if (w.inside) {
        const float *p = x + segment + w.channel, *q = y ? y + segment + w.channel : 0;
#pragma unroll 4
        for (u32 r = w.first; r < w.end; r += w.step) {
            float a[V], b[V];
            load<V>(a, p + (size_t)r * channels);
            if (q) load<V>(b, q + (size_t)r * channels);
            for (int k = 0; k < V; k++) sum[k] += q ? a[k] * b[k] : a[k];
        }
    }
    column_sum<V>(shared, sum, columns, w, channels, partial_of(partial, 1, channels));
}
BOTH(sums, (u32 rows, u32 channels, u32 columns, const float *x, const float *y, float *partial),
     (rows, channels, columns, x, y, partial))

// x - pivot and its square; the pivot is the channel's first value, as a sum of squares alone loses the variance where
// the mean is far from zero
template <int V>
__device__ __forceinline__ void moments(u32 rows, u32 channels, u32 columns, const float *x, float *partial) {
    __shared__ float shared[THREADS];
    Walk w = walk<V>(rows, channels, columns);
    float sum[V], square[V];
    for (int k = 0; k < V; k++) sum[k] = square[k] = 0.0f;
    if (w.inside) {
        const float *p = x + w.channel;
        float pivot[V];
        load<V>(pivot, p);
#pragma unroll 4
        for (u32 r = w.first; r < w.end; r += w.step) {
            float a[V];
            load<V>(a, p + (size_t)r * channels);
            for (int k = 0; k < V; k++) {
                float v = a[k] - pivot[k];
                sum[k] += v;
                square[k] += v * v;
            }
        }
    }
    float *out = partial_of(partial, 2, channels);
    column_sum<V>(shared, sum, columns, w, channels, out);
    column_sum<V>(shared, square, columns, w, channels, out + channels);
}
BOTH(moments, (u32 rows, u32 channels, u32 columns, const float *x, float *partial), (rows, channels, columns, x, partial))

// the gradient before the activation and its product with x - mean; kept where there was a residual
template <int V>
__device__ __forceinline__ void norm_back_sums(u32 rows, u32 channels, u32 columns, float epsilon, int which, const float *x,
                                               const float *residual, const float *mean, const float *variance,
                                               const float *gain, const float *bias, const float *gy, float *kept,
                                               float *partial) {
    __shared__ float shared[THREADS];
    Walk w = walk<V>(rows, channels, columns);
    float sum[V], product[V];
    for (int k = 0; k < V; k++) sum[k] = product[k] = 0.0f;
    if (w.inside) {
        float m[V], v[V], f[V], b[V];
        load<V>(m, mean + w.channel);
        load<V>(v, variance + w.channel);
        load<V>(f, gain + w.channel);
        load<V>(b, bias + w.channel);
        for (int k = 0; k < V; k++) f[k] /= sqrtf(v[k] + epsilon);
#pragma unroll 2
        for (u32 r = w.first; r < w.end; r += w.step) {
            size_t at = (size_t)r * channels + w.channel;
            float a[V], g[V], s[V];
            load<V>(a, x + at);
            load<V>(g, gy + at);
            if (residual) load<V>(s, residual + at);
            for (int k = 0; k < V; k++) {
                float away = a[k] - m[k], before = away * f[k] + b[k];
                if (residual) before += s[k];
                g[k] = act_back(which, before, g[k]);
                sum[k] += g[k];
                product[k] += away * g[k];
            }
            if (kept) store<V>(kept + at, g);
        }
    }
    float *out = partial_of(partial, 2, channels);
    column_sum<V>(shared, sum, columns, w, channels, out);
    column_sum<V>(shared, product, columns, w, channels, out + channels);
}
BOTH(norm_back_sums,
     (u32 rows, u32 channels, u32 columns, float epsilon, int which, const float *x, const float *residual, const float *mean,
      const float *variance, const float *gain, const float *bias, const float *gy, float *kept, float *partial),
     (rows, channels, columns, epsilon, which, x, residual, mean, variance, gain, bias, gy, kept, partial))

// The second step: a block takes eight columns, 32 lanes of it every 32nd part each. All lanes get the sum.
#define LANES 32
#define FINISHED (THREADS / LANES)

__device__ __forceinline__ double of_parts(double *shared, const float *p, u32 parts, size_t stride, bool inside) {
    u32 lane = threadIdx.x / FINISHED, column = threadIdx.x % FINISHED;
    double sum = 0.0;
    if (inside) {
#pragma unroll 4
        for (u32 k = lane; k < parts; k += LANES) sum += (double)p[(size_t)k * stride];
    }
    __syncthreads();
    shared[threadIdx.x] = sum;
    __syncthreads();
    sum = 0.0;
#pragma unroll
    for (u32 i = 0; i < LANES; i++) sum += shared[i * FINISHED + column];
    return sum;
}

// out = factor times the sum of the parts, added to what is there where `more`; n is segments x channels
KERNEL finish_sums(u32 n, u32 channels, u32 parts, float factor, int more, const float *partial, float *out) {
    __shared__ double shared[THREADS];
    u32 i = blockIdx.x * FINISHED + threadIdx.x % FINISHED;
    const float *p = partial + (size_t)(i / channels) * parts * channels + i % channels;
    double sum = of_parts(shared, p, parts, channels, i < n);
    if (i >= n || threadIdx.x >= FINISHED) return;
    float value = (float)(sum * (double)factor);
    out[i] = more ? out[i] + value : value;
}

KERNEL finish_moments(u32 channels, u32 parts, float count, const float *x, const float *partial, float *mean, float *variance) {
    __shared__ double shared[THREADS];
    u32 c = blockIdx.x * FINISHED + threadIdx.x % FINISHED;
    double sum = of_parts(shared, partial + c, parts, 2 * channels, c < channels) / (double)count;
    double square = of_parts(shared, partial + channels + c, parts, 2 * channels, c < channels) / (double)count - sum * sum;
    if (c >= channels || threadIdx.x >= FINISHED) return;
    mean[c] = (float)((double)x[c] + sum);
    // not fmax: what is no number stays none
    variance[c] = square < 0.0 ? 0.0f : (float)square;
}

KERNEL finish_norm_back(u32 channels, u32 parts, float count, float epsilon, int constant, const float *partial,
                        const float *mean, const float *variance, const float *gain, float *of_gain, float *of_bias,
                        float *slope, float *offset) {
    __shared__ double shared[THREADS];
    u32 c = blockIdx.x * FINISHED + threadIdx.x % FINISHED;
    double sum = of_parts(shared, partial + c, parts, 2 * channels, c < channels);
    double product = of_parts(shared, partial + channels + c, parts, 2 * channels, c < channels);
    if (c >= channels || threadIdx.x >= FINISHED) return;
    double inverse = 1.0 / sqrt((double)variance[c] + (double)epsilon), factor = (double)gain[c] * inverse;
    of_bias[c] = (float)sum;
    of_gain[c] = (float)(product * inverse);
    // gx = factor (g - mean(g) - x^ mean(g x^)), as a line in g and x
    double by_x = constant ? 0.0 : -factor * inverse * inverse * product / (double)count;
    slope[c] = (float)by_x;
    offset[c] = constant ? 0.0f : (float)(-by_x * (double)mean[c] - factor * sum / (double)count);
}

// ---- pooling: kind 0 the largest, 1 the mean of the whole window

#define WINDOW_PARAMS int h, int w, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw

KERNEL pool(u32 n, u32 channels, int kind, WINDOW_PARAMS, const float *x, float *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % channels, t = i / channels;
    int ox = t % ow, oy = t / ow % oh;
    const float *photo = x + (size_t)(t / ow / oh) * h * w * channels + c;
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
KERNEL pool_place(u32 n, u32 channels, WINDOW_PARAMS, const float *x, unsigned char *place) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % channels, t = i / channels;
    int ox = t % ow, oy = t / ow % oh, found = 255;
    const float *photo = x + (size_t)(t / ow / oh) * h * w * channels + c;
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
KERNEL pool_back(u32 n, u32 channels, WINDOW_PARAMS, const unsigned char *place, const float *gy, float *gx) {
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

// ---- depthwise windows of K x K, stride S; a thread makes PX neighbours of a row

template <int K, int S, int PX, bool FLIP>
__device__ __forceinline__ void depthwise(u32 n, u32 channels, int h, int w, int oh, int ow, int ph, int pw, int more,
                                          const float *x, const float *weight, float *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % channels, t = i / channels;
    int groups = (ow + PX - 1) / PX, ox = (int)(t % groups) * PX, oy = t / groups % oh;
    size_t photo = t / groups / oh;
    const float *plane = x + photo * h * w * channels + c;
    float sum[PX];
#pragma unroll
    for (int p = 0; p < PX; p++) sum[p] = 0.0f;
#pragma unroll
    for (int ky = 0; ky < K; ky++) {
        int iy = oy * S - ph + ky;
        if (iy < 0 || iy >= h) continue;
        const float *row = plane + (size_t)iy * w * channels;
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
    float *out = y + ((photo * oh + oy) * ow + ox) * channels + c;
#pragma unroll
    for (int p = 0; p < PX; p++)
        if (ox + p < ow) out[(size_t)p * channels] = (more ? out[(size_t)p * channels] : 0.0f) + sum[p];
}

#define DEPTHWISE_PARAMS \
    (u32 n, u32 channels, int h, int w, int oh, int ow, int ph, int pw, int more, const float *x, const float *weight, float *y)
#define DEPTHWISE(K) \
    KERNEL depthwise_##K##_1 DEPTHWISE_PARAMS { depthwise<K, 1, 4, false>(n, channels, h, w, oh, ow, ph, pw, more, x, weight, y); } \
    KERNEL depthwise_##K##_2 DEPTHWISE_PARAMS { depthwise<K, 2, 4, false>(n, channels, h, w, oh, ow, ph, pw, more, x, weight, y); } \
    KERNEL depthwise_back_##K##_1 DEPTHWISE_PARAMS { depthwise<K, 1, 4, true>(n, channels, h, w, oh, ow, ph, pw, more, x, weight, y); } \
    KERNEL depthwise_weight_##K##_1 DEPTHWISE_WEIGHT_PARAMS { depthwise_weight<K, 1>(rows, channels, columns, h, w, oh, ow, ph, pw, x, gy, partial); } \
    KERNEL depthwise_weight_##K##_2 DEPTHWISE_WEIGHT_PARAMS { depthwise_weight<K, 2>(rows, channels, columns, h, w, oh, ow, ph, pw, x, gy, partial); }

// the gradient of the input for a stride of two: each input gathers from the outputs whose windows hold it
template <int K, int V>
__device__ __forceinline__ void depthwise_back(u32 n, u32 channels, int h, int w, int oh, int ow, int ph, int pw, int more,
                                               const float *gy, const float *weight, float *gx) {
    u32 i = global_index();
    if (i >= n) return;
    u32 at = i * V, c = at % channels, t = at / channels;
    int ix = t % w, iy = t / w % h;
    const float *gradient = gy + (size_t)(t / w / h) * oh * ow * channels + c;
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
    (u32 rows, u32 channels, u32 columns, int h, int w, int oh, int ow, int ph, int pw, const float *x, const float *gy, float *partial)

// a thread walks output rows with its window of the input in registers; a "row" is one row of one photo's output
template <int K, int S>
__device__ __forceinline__ void depthwise_weight(u32 rows, u32 channels, u32 columns, int h, int w, int oh, int ow, int ph,
                                                 int pw, const float *x, const float *gy, float *partial) {
    __shared__ float shared[THREADS];
    Walk walker = walk<1>(rows, channels, columns);
    float sum[K * K];
#pragma unroll
    for (int k = 0; k < K * K; k++) sum[k] = 0.0f;
    if (walker.inside) {
        for (u32 r = walker.first; r < walker.end; r += walker.step) {
            int oy = r % oh;
            const float *plane = x + (size_t)(r / oh) * h * w * channels + walker.channel;
            const float *gradient = gy + (size_t)r * ow * channels + walker.channel;
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

// ---- any other convolution: plain loops, correct and slow

#define CONV_PARAMS \
    u32 n, int c, int h, int w, int o, int oh, int ow, int kh, int kw, int sh, int sw, int ph, int pw, int dh, int dw, int groups

KERNEL conv(CONV_PARAMS, const float *x, const float *weight, float *y) {
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
            const float *a = x + ((photo * h + iy) * w + ix) * c + out / oc * ic;
            const float *b = weight + ((size_t)(out * kh + ky) * kw + kx) * ic;
            for (int k = 0; k < ic; k++) sum += a[k] * b[k];
        }
    }
    y[i] = sum;
}

KERNEL conv_back(CONV_PARAMS, int more, const float *gy, const float *weight, float *gx) {
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
            const float *g = gy + ((photo * oh + y / sh) * ow + xx / sw) * o + group * oc;
            const float *b = weight + (((size_t)(group * oc) * kh + ky) * kw + kx) * ic + in % ic;
            for (int k = 0; k < oc; k++) sum += g[k] * b[(size_t)k * kh * kw * ic];
        }
    }
    gx[i] = (more ? gx[i] : 0.0f) + sum;
}

KERNEL conv_weight(CONV_PARAMS, int photos, const float *x, const float *gy, float *into) {
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

// ---- optimisers

KERNEL adam(u32 n, float rate, float root, float beta1, float beta2, float epsilon, float keep, float gradient_scale,
            const float *gradient, float *weight, float *first, float *second) {
    u32 i = global_index();
    if (i >= n) return;
    float g = gradient[i] * gradient_scale;
    float m = first[i] * beta1 + g * (1.0f - beta1), v = second[i] * beta2 + g * g * (1.0f - beta2);
    first[i] = m;
    second[i] = v;
    weight[i] = weight[i] * keep - m * rate / (sqrtf(v) * root + epsilon);
}

KERNEL sgd(u32 n, float lr, float momentum, float keep, float gradient_scale, const float *gradient, float *weight,
           float *velocity) {
    u32 i = global_index();
    if (i >= n) return;
    float v = velocity[i] * momentum + gradient[i] * gradient_scale;
    velocity[i] = v;
    weight[i] = weight[i] * keep - lr * v;
}

KERNEL squares(u32 n, const float *gradient, double *partial) {
    __shared__ double shared[THREADS];
    double sum = 0.0;
    for (u32 i = global_index(); i < n; i += gridDim.x * blockDim.x) sum += (double)gradient[i] * (double)gradient[i];
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) partial[blockIdx.x] = shared[0];
}
