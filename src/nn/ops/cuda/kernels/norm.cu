// Batch norm, there and back, element by element.

// ---- batch norm

template <int V>
__device__ __forceinline__ void norm(u32 n, u32 channels, float epsilon, int which, const real *x, const real *residual,
                                     const float *mean, const float *variance, const float *gain, const float *bias, real *y) {
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
     (u32 n, u32 channels, float epsilon, int which, const real *x, const real *residual, const float *mean,
      const float *variance, const float *gain, const float *bias, real *y),
     (n, channels, epsilon, which, x, residual, mean, variance, gain, bias, y))

// gx = scale g + slope x + offset; g is the gradient before the activation, computed again where `kept` is none
template <int V>
__device__ __forceinline__ void norm_back(u32 n, u32 channels, float epsilon, int which, const real *x, const real *gy,
                                          const real *kept, const float *mean, const float *variance, const float *gain,
                                          const float *bias, const float *slope, const float *offset, real *gx) {
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
     (u32 n, u32 channels, float epsilon, int which, const real *x, const real *gy, const real *kept, const float *mean,
      const float *variance, const float *gain, const float *bias, const float *slope, const float *offset, real *gx),
     (n, channels, epsilon, which, x, gy, kept, mean, variance, gain, bias, slope, offset, gx))
