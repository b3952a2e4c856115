// Sums over the rows of a map, channel by channel, and what batch norm does with them.

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
template <int V, class T>
__device__ __forceinline__ void sums(u32 rows, u32 channels, u32 columns, const T *x, const T *y, float *partial) {
    __shared__ float shared[THREADS];
    Walk w = walk<V>(rows, channels, columns);
    size_t segment = (size_t)blockIdx.z * rows * channels;
    float sum[V];
    for (int k = 0; k < V; k++) sum[k] = 0.0f;
    if (w.inside) {
        const T *p = x + segment + w.channel, *q = y ? y + segment + w.channel : 0;
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
BOTH(sums, (u32 rows, u32 channels, u32 columns, const real *x, const real *y, float *partial),
     (rows, channels, columns, x, y, partial))

// the same of what is no map
template <int V> __device__ __forceinline__ void plain_sums(u32 rows, u32 channels, u32 columns, const float *x, float *partial) {
    sums<V, float>(rows, channels, columns, x, 0, partial);
}
BOTH(plain_sums, (u32 rows, u32 channels, u32 columns, const float *x, float *partial), (rows, channels, columns, x, partial))

// x - pivot and its square; the pivot is the channel's first value, as a sum of squares alone loses the variance where
// the mean is far from zero
template <int V>
__device__ __forceinline__ void moments(u32 rows, u32 channels, u32 columns, const real *x, float *partial) {
    __shared__ float shared[THREADS];
    Walk w = walk<V>(rows, channels, columns);
    float sum[V], square[V];
    for (int k = 0; k < V; k++) sum[k] = square[k] = 0.0f;
    if (w.inside) {
        const real *p = x + w.channel;
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
BOTH(moments, (u32 rows, u32 channels, u32 columns, const real *x, float *partial), (rows, channels, columns, x, partial))

// the gradient before the activation and its product with x - mean; kept where there was a residual
template <int V>
__device__ __forceinline__ void norm_back_sums(u32 rows, u32 channels, u32 columns, float epsilon, int which, const real *x,
                                               const real *residual, const float *mean, const float *variance,
                                               const float *gain, const float *bias, const real *gy, real *kept,
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
     (u32 rows, u32 channels, u32 columns, float epsilon, int which, const real *x, const real *residual, const float *mean,
      const float *variance, const float *gain, const float *bias, const real *gy, real *kept, float *partial),
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
template <class T>
__device__ __forceinline__ void add_up(u32 n, u32 channels, u32 parts, float factor, int more, const float *partial, T *out) {
    __shared__ double shared[THREADS];
    u32 i = blockIdx.x * FINISHED + threadIdx.x % FINISHED;
    const float *p = partial + (size_t)(i / channels) * parts * channels + i % channels;
    double sum = of_parts(shared, p, parts, channels, i < n);
    if (i >= n || threadIdx.x >= FINISHED) return;
    float value = (float)(sum * (double)factor);
    out[i] = more ? out[i] + value : value;
}

KERNEL finish_sums(u32 n, u32 channels, u32 parts, float factor, int more, const float *partial, float *out) {
    add_up(n, channels, parts, factor, more, partial, out);
}

// the sums are a map
KERNEL finish_map(u32 n, u32 channels, u32 parts, float factor, int more, const float *partial, real *out) {
    add_up(n, channels, parts, factor, more, partial, out);
}

KERNEL finish_moments(u32 channels, u32 parts, float count, const real *x, const float *partial, float *mean, float *variance) {
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
