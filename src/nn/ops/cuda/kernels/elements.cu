// Element by element; a kernel has a thread for a value, or for a group of four.

// ---- element by element

KERNEL photos(u32 n, float m0, float m1, float m2, float d0, float d1, float d2, const unsigned char *bytes, real *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 c = i % 3;
    float mean = c == 0 ? m0 : c == 1 ? m1 : m2, deviation = c == 0 ? d0 : c == 1 ? d1 : d2;
    y[i] = ((float)bytes[i] / 255.0f - mean) / deviation;
}

template <int V> __device__ __forceinline__ void activate(u32 n, int which, const real *x, real *y) {
    u32 i = global_index();
    if (i >= n) return;
    float a[V];
    load<V>(a, x + (size_t)i * V);
    for (int k = 0; k < V; k++) a[k] = act(which, a[k]);
    store<V>(y + (size_t)i * V, a);
}
BOTH(activate, (u32 n, int which, const real *x, real *y), (n, which, x, y))

template <int V> __device__ __forceinline__ void activate_back(u32 n, int which, const real *x, const real *gy, real *gx) {
    u32 i = global_index();
    if (i >= n) return;
    float a[V], g[V];
    load<V>(a, x + (size_t)i * V);
    load<V>(g, gy + (size_t)i * V);
    for (int k = 0; k < V; k++) g[k] = act_back(which, a[k], g[k]);
    store<V>(gx + (size_t)i * V, g);
}
BOTH(activate_back, (u32 n, int which, const real *x, const real *gy, real *gx), (n, which, x, gy, gx))

// z = keep x + share y; z may be x
template <int V, class T>
__device__ __forceinline__ void blend(u32 n, float keep, float share, const T *x, const T *y, T *z) {
    u32 i = global_index();
    if (i >= n) return;
    float a[V], b[V];
    load<V>(a, x + (size_t)i * V);
    load<V>(b, y + (size_t)i * V);
    for (int k = 0; k < V; k++) a[k] = keep * a[k] + share * b[k];
    store<V>(z + (size_t)i * V, a);
}
BOTH(blend, (u32 n, float keep, float share, const real *x, const real *y, real *z), (n, keep, share, x, y, z))

// the same of what is no map: parameters, gradients, statistics
template <int V>
__device__ __forceinline__ void mix(u32 n, float keep, float share, const float *x, const float *y, float *z) {
    blend<V>(n, keep, share, x, y, z);
}
BOTH(mix, (u32 n, float keep, float share, const float *x, const float *y, float *z), (n, keep, share, x, y, z))

// y = x as a map is stored, and back; added to what is there where `more`
KERNEL narrow(u32 n, int more, const float *x, real *y) {
    u32 i = global_index();
    if (i < n) y[i] = (more ? y[i] : 0.0f) + x[i];
}

KERNEL widen(u32 n, int more, const real *x, float *y) {
    u32 i = global_index();
    if (i < n) y[i] = (more ? y[i] : 0.0f) + x[i];
}

KERNEL add_bias(u32 n, u32 channels, const float *bias, real *y) {
    u32 i = global_index();
    if (i < n) y[i] = y[i] + bias[i % channels];
}

// y = x times the one value that its photo and channel have; `plane` is H x W x C
template <int V>
__device__ __forceinline__ void scale(u32 n, u32 channels, u32 plane, const real *x, const real *s, real *y) {
    u32 i = global_index();
    if (i >= n) return;
    u32 at = i * V;
    float a[V], b[V];
    load<V>(a, x + at);
    load<V>(b, s + at / plane * channels + at % channels);
    for (int k = 0; k < V; k++) a[k] *= b[k];
    store<V>(y + at, a);
}
BOTH(scale, (u32 n, u32 channels, u32 plane, const real *x, const real *s, real *y), (n, channels, plane, x, s, y))

// gx = share gy (of photo and channel), added to what is there where `more`
template <int V>
__device__ __forceinline__ void spread(u32 n, u32 channels, u32 plane, float share, int more, const real *gy, real *gx) {
    u32 i = global_index();
    if (i >= n) return;
    u32 at = i * V;
    float a[V], b[V];
    load<V>(b, gy + at / plane * channels + at % channels);
    if (more) load<V>(a, gx + at);
    for (int k = 0; k < V; k++) a[k] = (more ? a[k] : 0.0f) + share * b[k];
    store<V>(gx + at, a);
}
BOTH(spread, (u32 n, u32 channels, u32 plane, float share, int more, const real *gy, real *gx),
     (n, channels, plane, share, more, gy, gx))
