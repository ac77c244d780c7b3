// A tile of 12 pixels × 16 output channels for processors with AVX-512. faster_tiles.py puts this into OpenCV's
// modules/dnn/src/layers/cpu_kernels/conv2_kernels.simd.hpp, before conv32fC8_1x1_kpair.
//
// The file is compiled for AVX2; these functions alone are for AVX-512, and are called where the processor has it. One
// register holds the 16 channels that the AVX2 tile keeps in two, so that 12 pixels take 12 of 32 registers. Each sum is
// made in the same order as there, by the same fused multiplications: the results are the same, bit for bit.

#if CV_SIMD256 && defined(__AVX2__) && defined(__x86_64__) && defined(__GNUC__)
#define CONV_KPAIR_AVX512 1
constexpr int KPAIR_WIDE = 12;  // pixels

struct KpairTile {
    const float* inp;        // the group's first plane
    int inpplane;            // floats from one block of 8 input channels to the next
    const float *wA, *wB;    // weights of the two blocks of 8 output channels
    int wstep;               // floats from one place of the kernel to the next
    int cblocks, places;     // blocks of input channels; places of the kernel
    int ofs[9][KPAIR_WIDE];  // where a pixel reads at each place, from inp; -1 outside the picture: zero
};

// sums: 12 × 16
__attribute__((target("avx512f,avx512dq"))) static void kpairSums(const KpairTile& t, float* sums) {
    static const float zeros[8] = {};
    __m512 s[KPAIR_WIDE];  // in registers, as all loops over pixels are unrolled
#pragma GCC unroll 12
    for (int j = 0; j < KPAIR_WIDE; j++) s[j] = _mm512_setzero_ps();
    for (int place = 0; place < t.places; place++) {
        const float *a = t.wA + place * t.wstep, *b = t.wB + place * t.wstep;
        const float* x[KPAIR_WIDE];
        size_t step[KPAIR_WIDE];
        for (int j = 0; j < KPAIR_WIDE; j++) {
            const bool inside = t.ofs[place][j] >= 0;
            x[j] = inside ? t.inp + t.ofs[place][j] : zeros;
            step[j] = inside ? (size_t)t.inpplane : 0;
        }
        for (int c = 0; c < t.cblocks; c++, a += 64, b += 64) {
#pragma GCC unroll 8
            for (int k = 0; k < 8; k++) {
                const __m512 w = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(a + k * 8)),
                                                    _mm256_loadu_ps(b + k * 8), 1);
#pragma GCC unroll 12
                for (int j = 0; j < KPAIR_WIDE; j++) s[j] = _mm512_fmadd_ps(_mm512_set1_ps(x[j][k]), w, s[j]);
            }
            for (int j = 0; j < KPAIR_WIDE; j++) x[j] += step[j];
        }
    }
#pragma GCC unroll 12
    for (int j = 0; j < KPAIR_WIDE; j++) _mm512_storeu_ps(sums + j * 16, s[j]);
}

// Scale, bias, residual and activation of one block of 8 channels: sums (12 × 16, of which 8) to out (12 × 8)
static void kpairFinish(const float* sums, float* out, const float* residual, const float* scale, const float* bias,
                        const float* alpha, float maxval, ActivationFunc activation, const float* activParams) {
    const __m256 vscale = _mm256_loadu_ps(scale), vbias = _mm256_loadu_ps(bias), valpha = _mm256_loadu_ps(alpha);
    const __m256 vmax = _mm256_set1_ps(maxval), zero = _mm256_setzero_ps();
    for (int j = 0; j < KPAIR_WIDE; j++) {
        __m256 s = _mm256_fmadd_ps(_mm256_loadu_ps(sums + j * 16), vscale, vbias);
        if (residual) s = _mm256_add_ps(s, _mm256_loadu_ps(residual + j * 8));
        s = _mm256_blendv_ps(_mm256_mul_ps(s, valpha), s, _mm256_cmp_ps(s, zero, _CMP_GE_OQ));
        _mm256_storeu_ps(out + j * 8, _mm256_min_ps(s, vmax));
    }
    if (activation) activation(out, out, KPAIR_WIDE * 8, activParams);
}
#endif
