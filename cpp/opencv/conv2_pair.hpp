// SPDX-License-Identifier: Apache-2.0
// Convolutions of 1×1 and 3×3 in tiles of some pixels × 16 output channels. faster_tiles.py puts this file beside OpenCV
// 5.0's conv2_kernels.simd.hpp, which includes it and whose helpers it calls.
//
// A tile's sums stay in registers, each in one for 16 channels (AVX-512) or in two for 8 (AVX2), while all kernel
// positions and input channels are added, in the order of OpenCV's own tiles. A number of the input, once read, serves
// 16 multiplications. 10 pixels with AVX-512 and 5 with AVX2 are less than the registers could hold, but rows of 20, 40,
// 80, ... pixels are whole multiples of them; with AVX2 6 were slower, as GCC then keeps some sums in memory.

#if CV_SIMD256 && defined(__AVX2__)

#if defined(__AVX512F__) && defined(__AVX512DQ__)

typedef __m512 Pair;  // channels k to k + 7 and k + 8 to k + 15, which lie in two blocks of the layout
#define PAIR_PIXELS 10
#define PAIR_EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9)

static inline Pair pairZero() { return _mm512_setzero_ps(); }
static inline Pair pairAll(float x) { return _mm512_set1_ps(x); }
static inline Pair pairLoad(const float* a, const float* b) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(a)), _mm256_loadu_ps(b), 1);
}
static inline void pairStore(float* a, float* b, Pair x) {
    _mm256_storeu_ps(a, _mm512_castps512_ps256(x));
    _mm256_storeu_ps(b, _mm512_extractf32x8_ps(x, 1));
}
static inline Pair pairFma(Pair x, Pair y, Pair sum) { return _mm512_fmadd_ps(x, y, sum); }
static inline Pair pairFma(float x, Pair y, Pair sum) { return _mm512_fmadd_ps(_mm512_set1_ps(x), y, sum); }
static inline Pair pairAdd(Pair x, Pair y) { return _mm512_add_ps(x, y); }
static inline Pair pairMin(Pair x, Pair y) { return _mm512_min_ps(x, y); }
static inline Pair pairScaleNegative(Pair x, Pair slope) {
    const __mmask16 positive = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GE_OQ);
    return _mm512_mask_blend_ps(positive, _mm512_mul_ps(x, slope), x);
}

#else

struct Pair {
    __m256 a, b;
};
#define PAIR_PIXELS 5
#define PAIR_EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4)

static inline Pair pairAll(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
static inline Pair pairZero() { return pairAll(0.f); }
static inline Pair pairLoad(const float* a, const float* b) { return {_mm256_loadu_ps(a), _mm256_loadu_ps(b)}; }
static inline void pairStore(float* a, float* b, Pair x) {
    _mm256_storeu_ps(a, x.a);
    _mm256_storeu_ps(b, x.b);
}
static inline Pair pairFma(Pair x, Pair y, Pair sum) {
    return {_mm256_fmadd_ps(x.a, y.a, sum.a), _mm256_fmadd_ps(x.b, y.b, sum.b)};
}
static inline Pair pairFma(float x, Pair y, Pair sum) { return pairFma(pairAll(x), y, sum); }
static inline Pair pairAdd(Pair x, Pair y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
static inline Pair pairMin(Pair x, Pair y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
static inline __m256 scaleNegative(__m256 x, __m256 slope) {
    return _mm256_blendv_ps(_mm256_mul_ps(x, slope), x, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GE_OQ));
}
static inline Pair pairScaleNegative(Pair x, Pair slope) {
    return {scaleNegative(x.a, slope.a), scaleNegative(x.b, slope.b)};
}

#endif

// KSIZE: 1 (stride 1), or 9 for 3×3 of any stride. Everything else is that of conv32fC8.
template <int KSIZE>
static void convPair(const float* inp, const float* residual, float* out, const ConvState& cs, const float* weights,
                     const float* scaleptr, const float* biasptr) {
    constexpr int C0 = 8, K0 = 8;
    constexpr size_t CACHED = 1 << 18;  // bytes of input
    const MatShape &inpshape = cs.inpshape, &outshape = cs.outshape;
    CV_Assert_N(inpshape.layout == DATA_LAYOUT_BLOCK, outshape.layout == DATA_LAYOUT_BLOCK, inpshape.back() == C0,
                outshape.back() == K0);

    const auto side = [](const MatShape& shape, int from_end) {  // 2: width, 3: height, 4: depth
        return shape.dims >= from_end + 2 ? shape[shape.dims - from_end] : 1;
    };
    const int N = outshape[0], C = inpshape.channels(), K = outshape.channels(), W = side(outshape, 2);
    const int C1 = (C + C0 - 1) / C0, K1 = (K + K0 - 1) / K0, C1Max = cs.wshape[3], kpairs = cs.wshape[1] / 2;
    const int pixels = side(outshape, 4) * side(outshape, 3) * W;
    const int Hi = side(inpshape, 3), Wi = side(inpshape, 2);
    const size_t iplane = (size_t)side(inpshape, 4) * Hi * Wi * C0, oplane = (size_t)pixels * K0;
    const int Sy = cs.strides[1], Sx = cs.strides[2], padY = cs.pads[1], padX = cs.pads[2];
    constexpr int MAX_CONV_DIMS = ConvState::MAX_CONV_DIMS;
    const int innerY0 = cs.inner[1], innerY1 = cs.inner[MAX_CONV_DIMS + 1];
    const int innerX0 = cs.inner[2], innerX1 = cs.inner[MAX_CONV_DIMS + 2];

    FastActivation fastActivation;
    const float* activParams;
    ActivationFunc activation;
    float maxval, defaultAlpha;
    setupActivation(cs, K, fastActivation, activParams, activation, maxval, defaultAlpha);

    // What is larger, input or weights, is read once: pair after pair over all pixels, or over few, whose input stays in the
    // cache meanwhile.
    const size_t input_bytes = (size_t)C1 * iplane * sizeof(float), weight_bytes = cs.wshape.total() * sizeof(float);
    const bool few_pixels = input_bytes > weight_bytes;
    int chunks = computeSpatChunks(N * kpairs, pixels);
    if (few_pixels) chunks = std::max(chunks, (int)std::min<size_t>(input_bytes / CACHED, pixels / (4 * PAIR_PIXELS)));
    parallel_for_(Range(0, N * kpairs * chunks), [&](const Range& range) {
        static const float zeros[C0] = {};
        int offsets[KSIZE];
        for (int kpos = 0; kpos < KSIZE; kpos++) offsets[kpos] = ((kpos / 3) * Wi + kpos % 3) * C0;

        for (int task = range.start; task < range.end; task++) {
            const int chunk = few_pixels ? task / kpairs % chunks : task % chunks;
            const int kpair = few_pixels ? task % kpairs : task / chunks % kpairs;
            const int n = task / chunks / kpairs;
            const int k = kpair * 2 * K0;  // first output channel of block A; that of B is k + K0
            const int p0 = (int)((int64_t)chunk * pixels / chunks), p1 = (int)((int64_t)(chunk + 1) * pixels / chunks);
            const float* inpbase = inp + (size_t)n * C1 * iplane;
            const float* weightsA = weights + (size_t)kpair * 2 * KSIZE * C1Max * C0 * K0;
            const float* weightsB = weightsA + (size_t)KSIZE * C1Max * C0 * K0;
            const size_t baseA = ((size_t)n * K1 + k / K0) * oplane, baseB = baseA + oplane;

            float coeffs[3][2 * K0];  // scale, bias, slope below zero; 0 where K ends within a block
            fillCoeffBufs(fastActivation, activParams, defaultAlpha, K0, k, scaleptr, biasptr, coeffs[0], coeffs[1],
                          coeffs[2]);
            fillCoeffBufs(fastActivation, activParams, defaultAlpha, std::min(K0, K - k - K0), k + K0, scaleptr,
                          biasptr, coeffs[0] + K0, coeffs[1] + K0, coeffs[2] + K0);
            const Pair scale = pairLoad(coeffs[0], coeffs[0] + K0), bias = pairLoad(coeffs[1], coeffs[1] + K0);
            const Pair slope = pairLoad(coeffs[2], coeffs[2] + K0), most = pairAll(maxval);

            for (int p = p0; p < p1; p += PAIR_PIXELS) {
                const int count = std::min(PAIR_PIXELS, p1 - p);  // of fewer pixels the last one is computed again
#define PAIR_CLEAR(j) Pair s##j = pairZero();
                PAIR_EACH(PAIR_CLEAR)
                // at(j, kpos, c1): 8 input channels, those that pixel j meets at a position of the kernel
                const auto accumulate = [&](const auto& at) __attribute__((always_inline)) {
                    for (int kpos = 0; kpos < KSIZE; kpos++) {
                        const float* wA = weightsA + (size_t)kpos * C1Max * C0 * K0;
                        const float* wB = weightsB + (size_t)kpos * C1Max * C0 * K0;
                        for (int c1 = 0; c1 < C1; c1++, wA += C0 * K0, wB += C0 * K0) {
#define PAIR_POINTER(j) const float* x##j = at(j, kpos, c1);
                            PAIR_EACH(PAIR_POINTER)
                            for (int c = 0; c < C0 && c1 * C0 + c < C;
                                 c += 4) {  // 12 channels come as 16, 4 of them empty
#define PAIR_FMA(j) s##j = pairFma(x##j[c + i], w, s##j);
#pragma GCC unroll 4
                                for (int i = 0; i < 4; i++) {
                                    const Pair w = pairLoad(wA + (c + i) * K0, wB + (c + i) * K0);
                                    PAIR_EACH(PAIR_FMA)
                                }
                            }
                        }
                    }
                };

                const int y = p / W, x = p - y * W;
                const bool inner = x >= innerX0 && x + PAIR_PIXELS <= innerX1 && y >= innerY0 && y < innerY1;
                const float* first =
                    KSIZE == 1 ? inpbase + (size_t)p * C0 : inpbase + ((y * Sy - padY) * Wi + x * Sx - padX) * C0;
                if (count == PAIR_PIXELS && (KSIZE == 1 || (inner && Sx == 1))) {
                    accumulate([&](int j, int kpos, int c1) __attribute__((always_inline)) {
                        return first + offsets[kpos] + c1 * iplane + j * C0;
                    });
                } else if (KSIZE == 9 && count == PAIR_PIXELS && inner && Sx == 2) {
                    accumulate([&](int j, int kpos, int c1) __attribute__((always_inline)) {
                        return first + offsets[kpos] + c1 * iplane + j * 2 * C0;
                    });
                } else {  // beside or across an edge, or the rest of a chunk
                    int places[KSIZE][PAIR_PIXELS];
                    for (int j = 0; j < PAIR_PIXELS; j++) {
                        const int pj = p + std::min(j, count - 1), yj = pj / W, xj = pj - yj * W;
                        for (int kpos = 0; kpos < KSIZE; kpos++) {
                            const int yi = yj * Sy - padY + kpos / 3, xi = xj * Sx - padX + kpos % 3;
                            const bool inside = (unsigned)yi < (unsigned)Hi && (unsigned)xi < (unsigned)Wi;
                            places[kpos][j] = KSIZE == 1 ? pj * C0 : inside ? (yi * Wi + xi) * C0 : -1;
                        }
                    }
                    accumulate([&](int j, int kpos, int c1) __attribute__((always_inline)) {
                        return places[kpos][j] < 0 ? zeros : inpbase + c1 * iplane + places[kpos][j];
                    });
                }

                float* outA = out + baseA + (size_t)p * K0;
                float* outB = out + baseB + (size_t)p * K0;
                const float* resA = residual ? residual + baseA + (size_t)p * K0 : nullptr;
                const float* resB = residual ? residual + baseB + (size_t)p * K0 : nullptr;
#define PAIR_FINISH(j)                                                                 \
    {                                                                                  \
        const int at = std::min(j, count - 1) * K0;                                    \
        Pair sum = pairFma(s##j, scale, bias);                                         \
        if (residual) sum = pairAdd(sum, pairLoad(resA + at, resB + at));              \
        pairStore(outA + at, outB + at, pairMin(pairScaleNegative(sum, slope), most)); \
    }
                PAIR_EACH(PAIR_FINISH)
                if (activation) {
                    activation(outA, outA, count * K0, activParams);
                    activation(outB, outB, count * K0, activParams);
                }
            }
        }
    });
}

#undef PAIR_CLEAR
#undef PAIR_POINTER
#undef PAIR_FMA
#undef PAIR_FINISH
#undef PAIR_EACH
#undef PAIR_PIXELS

// Computes a convolution if it is one for these tiles, of an even number of blocks of output channels; else gives false.
static bool convInPairs(const void* inp, const void* residual, void* out, const ConvState& cs, const void* weights,
                        const float* scale, const float* bias) {
    const int ksize = cs.wshape[2];
    const bool wide = cs.ngroups == 1 && cs.wshape[1] % 2 == 0 && cs.inpshape.channels() > 8;
    const bool is_1x1 = ksize == 1 && cs.strides[0] * cs.strides[1] * cs.strides[2] == 1;
    const bool is_3x3 =
        ksize == 9 && cs.strides[0] == 1 && cs.dilations[1] == 1 && cs.dilations[2] == 1 && cs.outshape.dims <= 5;
    if (!wide || !(is_1x1 || is_3x3)) return false;
    (is_1x1 ? convPair<1> : convPair<9>)((const float*)inp, (const float*)residual, (float*)out, cs,
                                         (const float*)weights, scale, bias);
    return true;
}

#endif  // CV_SIMD256 && __AVX2__
