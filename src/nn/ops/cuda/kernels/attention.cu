// Attention within windows: a block is one head in one window and keeps all of it in shared memory.

#define MOST_PLACES 49
#define MOST_WIDTH 32
#define MASK -100.0f
// one more, so that neighbouring rows lie in different banks
typedef float Rows[MOST_PLACES][MOST_WIDTH + 1];
typedef float Pairs[MOST_PLACES][MOST_PLACES + 1];

#define WINDOWS_PARAMS \
    u32 heads, u32 width, u32 side, u32 shift_y, u32 shift_x, u32 grid_y, u32 grid_x, float factor, const real *qkv, \
        const float *table

struct Windowed {
    u32 photo, y, x, h, w;
};

__device__ __forceinline__ Windowed windowed(u32 side, u32 grid_y, u32 grid_x) {
    Windowed t;
    u32 at = blockIdx.x % (grid_y * grid_x);
    t.photo = blockIdx.x / (grid_y * grid_x);
    t.y = at / grid_x * side;
    t.x = at % grid_x * side;
    t.h = grid_y * side;
    t.w = grid_x * side;
    return t;
}

// where place i of the window lies among all places
__device__ __forceinline__ size_t place(const Windowed &t, u32 i, u32 side, u32 shift_y, u32 shift_x) {
    u32 y = (t.y + i / side + shift_y) % t.h, x = (t.x + i % side + shift_x) % t.w;
    return ((size_t)t.photo * t.h + y) * t.w + x;
}

// what a shift took over a border is another region
__device__ __forceinline__ u32 region(const Windowed &t, u32 i, u32 side, u32 shift_y, u32 shift_x) {
    return (t.y + i / side + shift_y >= t.h ? 2 : 0) + (t.x + i % side + shift_x >= t.w ? 1 : 0);
}

// fills queries (scaled), keys and values, and the weights of each pair
__device__ __forceinline__ void weigh(const Windowed &t, WINDOWS_PARAMS, Rows &q, Rows &k, Rows &v, Pairs &s) {
    u32 places = side * side, head = blockIdx.y, channels = heads * width;
    for (u32 n = threadIdx.x; n < places * width; n += blockDim.x) {
        u32 i = n / width, c = n % width;
        const real *p = qkv + place(t, i, side, shift_y, shift_x) * 3 * channels + head * width + c;
        q[i][c] = p[0] * factor;
        k[i][c] = p[channels];
        v[i][c] = p[2 * channels];
    }
    __syncthreads();
    for (u32 n = threadIdx.x; n < places * places; n += blockDim.x) {
        u32 i = n / places, j = n % places;
        float sum = 0.0f;
        for (u32 c = 0; c < width; c++) sum += q[i][c] * k[j][c];
        u32 down = i / side + side - 1 - j / side, right = i % side + side - 1 - j % side;
        sum += table[(down * (2 * side - 1) + right) * heads + head];
        if (region(t, i, side, shift_y, shift_x) != region(t, j, side, shift_y, shift_x)) sum += MASK;
        s[i][j] = sum;
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < places; i += blockDim.x) {
        float most = s[i][0], sum = 0.0f;
        for (u32 j = 1; j < places; j++) most = most > s[i][j] ? most : s[i][j];
        for (u32 j = 0; j < places; j++) {
            s[i][j] = expf(s[i][j] - most);
            sum += s[i][j];
        }
        for (u32 j = 0; j < places; j++) s[i][j] /= sum;
    }
    __syncthreads();
}
#define WINDOWS_ARGS heads, width, side, shift_y, shift_x, grid_y, grid_x, factor, qkv, table

KERNEL attention(WINDOWS_PARAMS, real *y) {
    __shared__ Rows q, k, v;
    __shared__ Pairs s;
    Windowed t = windowed(side, grid_y, grid_x);
    weigh(t, WINDOWS_ARGS, q, k, v, s);
    u32 places = side * side;
    for (u32 n = threadIdx.x; n < places * width; n += blockDim.x) {
        u32 i = n / width, c = n % width;
        float sum = 0.0f;
        for (u32 j = 0; j < places; j++) sum += s[i][j] * v[j][c];
        y[place(t, i, side, shift_y, shift_x) * heads * width + blockIdx.y * width + c] = sum;
    }
}

// `partial` gets the table's gradient from each window
KERNEL attention_back(WINDOWS_PARAMS, const real *gy, real *gqkv, float *partial) {
    __shared__ Rows q, k, v, g;
    __shared__ Pairs s, d;
    Windowed t = windowed(side, grid_y, grid_x);
    u32 places = side * side, channels = heads * width, head = blockIdx.y;
    for (u32 n = threadIdx.x; n < places * width; n += blockDim.x) {
        u32 i = n / width, c = n % width;
        g[i][c] = gy[place(t, i, side, shift_y, shift_x) * channels + head * width + c];
    }
    weigh(t, WINDOWS_ARGS, q, k, v, s);
    for (u32 n = threadIdx.x; n < places * places; n += blockDim.x) {
        u32 i = n / places, j = n % places;
        float sum = 0.0f;
        for (u32 c = 0; c < width; c++) sum += g[i][c] * v[j][c];
        d[i][j] = sum;
    }
    __syncthreads();
    // of the logarithms
    for (u32 i = threadIdx.x; i < places; i += blockDim.x) {
        float sum = 0.0f;
        for (u32 j = 0; j < places; j++) sum += s[i][j] * d[i][j];
        for (u32 j = 0; j < places; j++) d[i][j] = s[i][j] * (d[i][j] - sum);
    }
    __syncthreads();
    for (u32 n = threadIdx.x; n < places * width; n += blockDim.x) {
        u32 i = n / width, c = n % width;
        float of_query = 0.0f, of_key = 0.0f, of_value = 0.0f;
        for (u32 j = 0; j < places; j++) {
            of_query += d[i][j] * k[j][c];
            of_key += d[j][i] * q[j][c];
            of_value += s[j][i] * g[j][c];
        }
        real *p = gqkv + place(t, i, side, shift_y, shift_x) * 3 * channels + head * width + c;
        p[0] = of_query * factor;
        p[channels] = of_key;
        p[2 * channels] = of_value;
    }
    int span = 2 * (int)side - 1, last = (int)side - 1;
    for (int n = threadIdx.x; n < span * span; n += blockDim.x) {
        int down = n / span - last, right = n % span - last;
        float sum = 0.0f;
        for (int y = down > 0 ? 0 : -down; y < (int)side && y + down < (int)side; y++)
            for (int x = right > 0 ? 0 : -right; x < (int)side && x + right < (int)side; x++)
                sum += d[(y + down) * (int)side + x + right][y * (int)side + x];
        partial[((size_t)blockIdx.x * span * span + n) * heads + head] = sum;
    }
}
