// Distances of embeddings, in the CPU's own order of summing, each square added in one rounding: the same to the last bit, so that
// ranks do not depend on where they were computed.

// the squares of differences go to eight sums in turn; a row of `rows` lies column by column, as neighbouring threads read
// neighbouring rows
KERNEL distances(u32 n, u32 count, u32 width, const float *queries, const float *rows, double *out) {
    u32 i = global_index();
    if (i >= n) return;
    const float *q = queries + (size_t)(i / count) * width, *r = rows + i % count;
    double sums[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    u32 whole = width / 8 * 8;
    for (u32 k = 0; k < whole; k += 8) {
#pragma unroll
        for (u32 lane = 0; lane < 8; lane++) {
            double d = __dsub_rn((double)q[k + lane], (double)r[(size_t)(k + lane) * count]);
            sums[lane] = __fma_rn(d, d, sums[lane]);
        }
    }
#pragma unroll
    for (u32 lane = 0; lane < 8; lane++) {
        if (whole + lane < width) {
            double d = __dsub_rn((double)q[whole + lane], (double)r[(size_t)(whole + lane) * count]);
            sums[lane] = __fma_rn(d, d, sums[lane]);
        }
    }
    double sum = 0;
#pragma unroll
    for (u32 lane = 0; lane < 8; lane++) sum = __dadd_rn(sum, sums[lane]);
    out[i] = __dsqrt_rn(sum);
}
