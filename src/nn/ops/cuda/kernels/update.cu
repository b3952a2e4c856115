// Optimiser steps, and the norm of a gradient.

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
