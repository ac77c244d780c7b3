// SPDX-License-Identifier: Apache-2.0
// The kernels of ../kernels against sums in 64 bits, on random shapes, without OpenCV:
//
//     g++ -std=c++17 -O2 -march=native -pthread -I cpp/opencv/kernels cpp/opencv/tests/kernels_test.cpp -o kernels_test
//     ./kernels_test [CASES [SEED]]
//
// Prints what was tried and the largest errors; exit code 1, and a line for each, if a result is wrong.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "convolve.hpp"

using namespace conv_tiles;

namespace {

constexpr float UNTOUCHED = 7e7f;
constexpr double TOLERANCE = 3e-5;  // of values of about 1

std::mt19937 generator;
std::normal_distribution<float> normal;

int below(int n) { return (int)(generator() % (unsigned)n); }
std::vector<float> numbers(size_t n, float scale = 1) {
    std::vector<float> v(n);
    for (float& x : v) x = scale * normal(generator);
    return v;
}

// Runs a count of bodies on as many threads.
void parallel(int count, const std::function<void(int)>& run) {
    std::vector<std::thread> threads;
    for (int i = 1; i < count; i++) threads.emplace_back(run, i);
    run(0);
    for (std::thread& t : threads) t.join();
}

// [pictures][channels][pixels] to blocks of 8 channels, the surplus zeros
std::vector<float> toBlocks(const std::vector<float>& planes, int pictures, int channels, size_t pixels) {
    const int blocks = blocksOf(channels, BLOCK);
    std::vector<float> v((size_t)pictures * blocks * pixels * BLOCK, 0.f);
    for (int n = 0; n < pictures; n++)
        for (int c = 0; c < channels; c++)
            for (size_t p = 0; p < pixels; p++)
                v[(((size_t)n * blocks + c / BLOCK) * pixels + p) * BLOCK + c % BLOCK] =
                    planes[((size_t)n * channels + c) * pixels + p];
    return v;
}

// [outputs][inputs][kernel²] in OpenCV's order
std::vector<float> pack(const std::vector<float>& weights, const Layer& layer) {
    const int positions = layer.kernel * layer.kernel, blocks = blocksOf(layer.inputs, BLOCK);
    std::vector<float> v((size_t)blocksOf(layer.outputs, BLOCK) * positions * blocks * 64, 0.f);
    for (int k = 0; k < layer.outputs; k++)
        for (int c = 0; c < layer.inputs; c++)
            for (int t = 0; t < positions; t++)
                v[(((size_t)(k / 8) * positions + t) * blocks + c / 8) * 64 + c % 8 * 8 + k % 8] =
                    weights[((size_t)k * layer.inputs + c) * positions + t];
    return v;
}

struct Case {
    Layer layer;
    int pictures, threads, padTop, padLeft, padBottom, padRight, height, width;
    bool scaled, recovered;
    Activation activation;
    bool residual;
};

Case randomCase() {
    Case c{};
    const int kind = below(6);  // 1×1, 1×1 to planes, 3×3, 3×3 of stride 2, the two stems
    c.layer.kernel = kind <= 1 ? 1 : kind == 5 ? 6 : 3;
    c.layer.stride = kind == 3 || kind == 5 ? 2 : 1;
    c.layer.fromPlanes = kind >= 4;
    c.layer.toPlanes = kind == 1;
    c.layer.inputs = kind == 4 ? 12 : kind == 5 ? 3 : 9 + below(122);
    c.layer.outputs = 1 + below(130);
    const int most = below(3) ? 70 : 14;
    c.height = 1 + below(most);
    c.width = 1 + below(most);
    const int pad = c.layer.kernel == 6 ? 2 : c.layer.fromPlanes ? 1 : c.layer.kernel == 3 ? below(3) : 0;
    c.padTop = c.padLeft = c.padBottom = c.padRight = pad;
    if (c.layer.kernel == 3 && !c.layer.fromPlanes && below(4) == 0) c.padTop = below(3), c.padRight = below(3);
    c.height = std::max(c.height, c.layer.kernel - c.padTop - c.padBottom);
    c.width = std::max(c.width, c.layer.kernel - c.padLeft - c.padRight);
    c.pictures = 1 + below(2);
    c.threads = 1 + below(4);
    c.scaled = below(2);
    c.recovered = below(2);
    c.activation = (Activation)below(4);
    c.residual = !c.layer.fromPlanes && !c.layer.toPlanes && below(2);
    return c;
}

double finished(double sum, const Finish& finish, int k, const double* residual) {
    sum += finish.bias[k];
    if (residual && finish.activation != Activation::SILU_THEN_ADD) sum += *residual;
    if (finish.activation == Activation::SLOPE)
        sum = std::min(sum < 0 ? sum * finish.slope[k] : sum, (double)finish.most);
    if (finish.activation == Activation::SILU || finish.activation == Activation::SILU_THEN_ADD)
        sum /= 1 + std::exp(-sum);
    if (residual && finish.activation == Activation::SILU_THEN_ADD) sum += *residual;
    return sum;
}

// The weights as the method wants them; those of a second method come from those of the first, as in a layer that let
// its originals go.
std::vector<float> prepare(const Case& c, Method method, const std::vector<float>& packed, const float* scale) {
    const Layer& layer = c.layer;
    const Packed source{packed.data(), layer.kernel * layer.kernel, blocksOf(layer.inputs, BLOCK), scale};
    std::vector<float> scratch(preparationScratch(layer, method), 0.f), weights(weightsSize(layer, method), 0.f);
    if (c.recovered && (method == Method::WINOGRAD2 || method == Method::WINOGRAD4)) {
        const Method other = method == Method::WINOGRAD2 ? Method::WINOGRAD4 : Method::WINOGRAD2;
        std::vector<float> first(weightsSize(layer, other), 0.f), back(packed.size(), 0.f);
        prepareWeights(layer, other, source, first.data(), nullptr);
        recoverWeights(layer, other, first.data(), back.data());
        const Packed again{back.data(), 9, source.blocks, nullptr};
        prepareWeights(layer, method, again, weights.data(), nullptr);
    } else
        prepareWeights(layer, method, source, weights.data(), scratch.data());
    return weights;
}

// Gives the largest error of some results, corners among them; infinite if anything else was written.
double largestError(const Case& c) {
    const Layer& layer = c.layer;
    const int size = layer.kernel, step = layer.stride, inputs = layer.inputs, outputs = layer.outputs;
    Call call{};
    call.pictures = c.pictures;
    call.shape = {inputs,
                  outputs,
                  c.height,
                  c.width,
                  (c.height + c.padTop + c.padBottom - size) / step + 1,
                  (c.width + c.padLeft + c.padRight - size) / step + 1,
                  c.padTop,
                  c.padLeft};
    const size_t from = (size_t)c.height * c.width, to = (size_t)call.shape.height * call.shape.width;
    const std::vector<float> picture = numbers(c.pictures * inputs * from);
    const std::vector<float> input = layer.fromPlanes ? picture : toBlocks(picture, c.pictures, inputs, from);
    const std::vector<float> weights =
        numbers((size_t)outputs * inputs * size * size, 1 / std::sqrt((float)(inputs * size * size)));
    const std::vector<float> residual = numbers(c.pictures * outputs * to);
    const std::vector<float> blockResidual = toBlocks(residual, c.pictures, outputs, to);
    std::vector<float> scale = numbers(roundUp(outputs, LANES)), bias = numbers(roundUp(outputs, LANES));
    std::vector<float> slope = numbers(roundUp(outputs, LANES));
    for (size_t k = outputs; k < bias.size(); k++) bias[k] = slope[k] = scale[k] = 0.f;
    const Finish finish{bias.data(), slope.data(), .8f, c.activation};

    const Division division(layer, call, c.threads);
    const std::vector<float> prepared =
        prepare(c, division.method, pack(weights, layer), c.scaled ? scale.data() : nullptr);
    std::vector<float> scratch(division.scratch * c.threads, NAN);
    const int written = layer.toPlanes ? outputs : roundUp(outputs, BLOCK);
    std::vector<float> output(c.pictures * written * to + 64, UNTOUCHED);
    call.input = input.data();
    call.residual = c.residual ? blockResidual.data() : nullptr;
    call.output = output.data();
    convolve(layer, call, division, prepared.data(), finish, c.threads, scratch.data(), parallel);

    for (size_t i = output.size() - 64; i < output.size(); i++)
        if (output[i] != UNTOUCHED) return INFINITY;
    double worst = 0;
    for (int i = 0; i < 300; i++) {
        const bool corner = i < 8;
        const int n = below(c.pictures), k = corner ? (i & 1 ? outputs - 1 : 0) : below(outputs);
        const int y = corner ? (i & 2 ? call.shape.height - 1 : 0) : below(call.shape.height);
        const int x = corner ? (i & 4 ? call.shape.width - 1 : 0) : below(call.shape.width);
        double sum = 0;
        for (int ch = 0; ch < inputs; ch++)
            for (int dy = 0; dy < size; dy++)
                for (int dx = 0; dx < size; dx++) {
                    const int yy = y * step - c.padTop + dy, xx = x * step - c.padLeft + dx;
                    if (yy >= 0 && yy < c.height && xx >= 0 && xx < c.width)
                        sum += (double)picture[((size_t)n * inputs + ch) * from + (size_t)yy * c.width + xx] *
                               weights[(((size_t)k * inputs + ch) * size + dy) * size + dx];
                }
        const size_t pixel = (size_t)y * call.shape.width + x;
        const double added = residual[((size_t)n * outputs + k) * to + pixel];
        if (c.scaled) sum *= scale[k];
        const double expected = finished(sum, finish, k, c.residual ? &added : nullptr);
        const size_t at = layer.toPlanes
                              ? ((size_t)n * outputs + k) * to + pixel
                              : (((size_t)n * (written / BLOCK) + k / BLOCK) * to + pixel) * BLOCK + k % BLOCK;
        const double error = std::fabs(output[at] - expected);
        if (!(error <= worst)) worst = error;  // NaN, too
        if (std::isnan(worst)) return INFINITY;
    }
    return worst;
}

float siluOf(float x) {
    float lanes[LANES];
    store(lanes, silu(all(x)));
    return lanes[LANES - 1];
}

int wrongSilus() {
    int wrong = 0;
    double worst = 0;
    const auto expect = [&](bool ok, float x) {
        if (!ok) printf("WRONG silu(%g) = %g\n", x, siluOf(x)), wrong++;
    };
    for (double x = -130; x < 130; x += 0.00371) {
        const float f = (float)x;
        const double exact = f / (1 + std::exp(-(double)f)), error = std::fabs(siluOf(f) - exact);
        worst = std::max(worst, error / std::max(1e-3, std::fabs(exact)));
        expect(error <= 6e-7 * std::max(1e-3, std::fabs(exact)), f);
    }
    const float huge = std::numeric_limits<float>::max(), infinite = std::numeric_limits<float>::infinity();
    for (float x : {0.f, -0.f, -88.f, -1e30f, -huge, -infinite}) expect(siluOf(x) == 0.f, x);
    for (float x : {88.f, 126.f, 1e30f, huge, infinite}) expect(siluOf(x) == x, x);
    expect(std::isnan(siluOf(NAN)), NAN);
    printf("silu: relative error up to %.1e\n", worst);
    return wrong;
}

}  // namespace

int main(int argc, char** argv) {
    const int cases = argc > 1 ? atoi(argv[1]) : 300;
    const unsigned seed = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
    int wrong = wrongSilus(), tried[5] = {};
    double worst[5] = {};
    for (int i = 0; i < cases; i++) {
        generator.seed(seed * 1000003 + i);
        const Case c = randomCase();
        if (!computes(c.layer)) return fprintf(stderr, "the test asks for what the kernels do not compute\n"), 1;
        const int step = c.layer.stride;
        const int height = (c.height + c.padTop + c.padBottom - c.layer.kernel) / step + 1;
        const int width = (c.width + c.padLeft + c.padRight - c.layer.kernel) / step + 1;
        const int method = (int)methodFor(c.layer, height, width);
        const double error = largestError(c);
        tried[method]++;
        worst[method] = std::max(worst[method], error);
        if (!(error < TOLERANCE)) {
            wrong++;
            printf(
                "WRONG case %d: %dx%d stride %d, %d -> %d channels, %dx%d, pads %d %d %d %d, %d pictures, %d threads, "
                "activation %d, residual %d: error %g\n",
                i, c.layer.kernel, c.layer.kernel, step, c.layer.inputs, c.layer.outputs, c.height, c.width, c.padTop,
                c.padLeft, c.padBottom, c.padRight, c.pictures, c.threads, (int)c.activation, c.residual, error);
        }
    }
    const char* const names[] = {"1x1", "F(4x4, 3x3)", "F(2x2, 3x3)", "3x3 stride 2", "first layer"};
    for (int m = 0; m < 5; m++) printf("%-13s %4d cases, largest error %.1e\n", names[m], tried[m], worst[m]);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
