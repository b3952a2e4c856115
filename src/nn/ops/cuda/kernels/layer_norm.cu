// Layer norm, there and back: 32 threads a place, which read its channels side by side.

#define ROW 32
#define ROWS (THREADS / ROW)

// the sum over a row of threads, for all of them; every thread of the block calls it
__device__ __forceinline__ float row_sum(float *shared, float value) {
    u32 lane = threadIdx.x % ROW;
    shared[threadIdx.x] = value;
    __syncthreads();
    for (u32 half = ROW / 2; half > 0; half /= 2) {
        if (lane < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    float sum = shared[threadIdx.x - lane];
    __syncthreads();
    return sum;
}

// `moments` gets mean and inverse deviation of each place
KERNEL layer_norm(u32 rows, u32 channels, float epsilon, const real *x, const float *gain, const float *bias, real *y,
                  float *moments) {
    __shared__ float shared[THREADS];
    u32 row = blockIdx.x * ROWS + threadIdx.x / ROW, lane = threadIdx.x % ROW;
    u32 end = row < rows ? channels : 0;
    size_t at = (size_t)row * channels;
    float sum = 0.0f, square = 0.0f;
    for (u32 c = lane; c < end; c += ROW) sum += x[at + c];
    float mean = row_sum(shared, sum) / (float)channels;
    for (u32 c = lane; c < end; c += ROW) square += (x[at + c] - mean) * (x[at + c] - mean);
    float inverse = 1.0f / sqrtf(row_sum(shared, square) / (float)channels + epsilon);
    for (u32 c = lane; c < end; c += ROW) y[at + c] = (x[at + c] - mean) * inverse * gain[c] + bias[c];
    if (row < rows && lane == 0) {
        moments[2 * row] = mean;
        moments[2 * row + 1] = inverse;
    }
}

// the gradient of the input, added to what is there where `more`
KERNEL layer_norm_back(u32 rows, u32 channels, int more, const real *x, const float *moments, const float *gain,
                       const real *gy, real *gx) {
    __shared__ float shared[THREADS];
    u32 row = blockIdx.x * ROWS + threadIdx.x / ROW, lane = threadIdx.x % ROW;
    u32 end = row < rows ? channels : 0;
    size_t at = (size_t)row * channels;
    float mean = row < rows ? moments[2 * row] : 0.0f, inverse = row < rows ? moments[2 * row + 1] : 0.0f;
    float sum = 0.0f, product = 0.0f;
    for (u32 c = lane; c < end; c += ROW) {
        float g = gy[at + c] * gain[c];
        sum += g;
        product += g * (x[at + c] - mean) * inverse;
    }
    sum = row_sum(shared, sum) / (float)channels;
    product = row_sum(shared, product) / (float)channels;
    for (u32 c = lane; c < end; c += ROW) {
        float unit = (x[at + c] - mean) * inverse;
        float g = (gy[at + c] * gain[c] - sum - unit * product) * inverse;
        gx[at + c] = more ? gx[at + c] + g : g;
    }
}

// the gradients of gain and bias
template <int V>
__device__ __forceinline__ void layer_norm_back_sums(u32 rows, u32 channels, u32 columns, const real *x, const float *moments,
                                                     const real *gy, float *partial) {
    __shared__ float shared[THREADS];
    Walk w = walk<V>(rows, channels, columns);
    float sum[V], product[V];
    for (int k = 0; k < V; k++) sum[k] = product[k] = 0.0f;
    if (w.inside) {
#pragma unroll 2
        for (u32 r = w.first; r < w.end; r += w.step) {
            size_t at = (size_t)r * channels + w.channel;
            float a[V], g[V], mean = moments[2 * r], inverse = moments[2 * r + 1];
            load<V>(a, x + at);
            load<V>(g, gy + at);
            for (int k = 0; k < V; k++) {
                sum[k] += g[k];
                product[k] += g[k] * (a[k] - mean) * inverse;
            }
        }
    }
    float *out = partial_of(partial, 2, channels);
    column_sum<V>(shared, product, columns, w, channels, out);
    column_sum<V>(shared, sum, columns, w, channels, out + channels);
}
BOTH(layer_norm_back_sums,
     (u32 rows, u32 channels, u32 columns, const real *x, const float *moments, const real *gy, float *partial),
     (rows, channels, columns, x, moments, gy, partial))
