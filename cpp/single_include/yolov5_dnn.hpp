// SPDX-License-Identifier: Apache-2.0
//
// YOLOv5 detection with OpenCV alone:
//
//     yolov5_dnn::Detector detector("model.onnx");
//     for (const auto& found : detector.detect(cv::imread("bus.jpg")))
//         std::cout << detector.info().names[found.class_id] << ' ' << found.score << ' ' << found.box << '\n';
//
// Model files come from `python -m convert CHECKPOINT.pt`. What it does not do: read pictures and videos (that is
// OpenCV's business), read checkpoints, train.
//
// Functions have the names and the arithmetic of the Python package `runtime`, file for file. What is large is written
// into a variable of the caller's, which is only reallocated when it has to grow: from the second image of a size on,
// nothing here allocates but the result. Anything refused is a DetectorError. What is in `detail` may change.
//
// C++17; OpenCV 4.5.4 to 5: core, imgproc and dnn.
//
// Made of include/yolov5_dnn/*.hpp by single_include.py: change those, not this file.
//
// First the API; the code follows below.

/*
// ------------------------------------------------------------------------------------------------------------ detector

// What a Detector is asked for; the fields are called as the arguments of Python's.
struct Options {
    std::string device = "cpu";        // one of `available_devices()`
    cv::Size imgsz;                    // size to letterbox to, rounded up to `size_multiple`; empty = the model's own
    double conf_thres = 0.25;          // boxes must score above it, 0 to 1
    double iou_thres = 0.45;           // boxes of one class that overlap more lose the worse one, 0 to 1
    int max_det = 1000;                // the most boxes an image may have
    std::vector<std::string> classes;  // names or numbers of the only classes to look for; empty = all
    bool agnostic_nms = false;         // let boxes of different classes suppress each other, too
    bool multi_label = false;          // give a box every class that scores high enough: what evaluations do
    bool rect = true;                  // pad as little as the network allows; false: always to the full imgsz

    // These replace the model file's; all three serve a file without metadata.
    std::vector<std::string> names;
    std::vector<Anchors> anchors;
    std::vector<int> strides;
};

// Milliseconds that the images of one call spent in each stage.
struct Timings {
    double letterbox = 0;  // with the conversion to float
    double forward = 0;
    double decode = 0;
    double nms = 0;
};

// A YOLOv5 network, ready to be called on images: letterbox → network → decode → NMS.
//
// A detector may be called from several threads: a lock lets one call through at a time. To use several
// processor cores better than OpenCV does alone, give each thread its own detector.
class Detector {
public:
    // `model` is a file made by `python -m convert`.
    // Throws ModelError for the file, DeviceError for the device, InputError for any other option.
    explicit Detector(const std::filesystem::path& model, const Options& options = {});

    // What the model file says.
    const ModelInfo& info() const;

    // Size in use, to letterbox to.
    cv::Size imgsz() const;

    // Runs once on a grey image: the first forward pass prepares the network, which can take long.
    void warmup();

    // Finds what is in an image: BGR, 8 bits; also grey or BGRA, and 16 bits. Best first. `timings`, if given, is
    // told where the time of this call went.
    // Throws InputError for anything that is not an image, ModelError if the network doesn't fit its metadata.
    std::vector<Detection> detect(const cv::Mat& image, Timings* timings = nullptr);

    std::vector<Detection> operator()(const cv::Mat& image, Timings* timings = nullptr);

    // The same for each of several images; the timings are sums.
    std::vector<std::vector<Detection>> detect(const std::vector<cv::Mat>& images, Timings* timings = nullptr);
};

// ---------------------------------------------------------------------------------------------------------- detections

// One object that was found.
struct Detection {
    int class_id = 0;
    float score = 0;  // objectness × class probability, 0 to 1
    cv::Rect2f box;   // in the image's pixels, within the image
};

// ---------------------------------------------------------------------------------------------------------------- draw

// Gives a class its colour, BGR. Hues step by the golden ratio, which spreads any number of classes evenly; three
// shades take turns, because hues come close to each other after 5, 8, 13, … steps. In HSV: hue =
// (0.57 + 0.618034 · id) mod 1; saturation, value = (0.85, 1), (0.6, 1), (0.9, 0.75) for id mod 3 = 0, 1, 2.
cv::Scalar class_colour(int class_id);

// Black or white, whichever reads better: black on colours with more than half of white's luma (BT.601).
cv::Scalar text_colour(const cv::Scalar& background);

// Width of the boxes' lines in pixels: a 300th of the mean of height and width, at least 2.
int line_width(cv::Size image);

// Height of the labels' letters in pixels: a 50th of the mean of height and width, at least 12.
int text_size(cv::Size image);

// Draws boxes and labels (name and score) on a copy of an image: 8 or 16 bits, grey, BGR or BGRA. A label sits on
// top of its box, or inside where there is no room, and never leaves the image: it is made smaller, and at last
// cut, to fit. The best detections are drawn last, over the others. OpenCV 4 has letters for ASCII only.
// Returns 8 bits, BGR.
cv::Mat draw(const cv::Mat& image, const std::vector<Detection>& detections,
             const std::vector<std::string>& names);

// -------------------------------------------------------------------------------------------------------------- errors

// Anything this header refuses to do; what() is one sentence fit for a terminal.
class DetectorError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The model file is missing, damaged, without metadata, or at odds with what its network gives.
class ModelError : public DetectorError {
    using DetectorError::DetectorError;
};

// This build of OpenCV cannot run on the device that was asked for.
class DeviceError : public DetectorError {
    using DetectorError::DetectorError;
};

// An image, a source or an argument cannot be used.
class InputError : public DetectorError {
    using DetectorError::DetectorError;
};

// ------------------------------------------------------------------------------------------------------------- devices

// A device's name, and its backend and target as OpenCV numbers them.
struct Device {
    std::string name;
    cv::dnn::Backend backend;
    cv::dnn::Target target;
};

// Names the devices that this OpenCV, on this machine, can use.
std::vector<std::string> available_devices();

// Looks a device up and makes sure that it can be used: OpenCV itself would fall back to the CPU.
// Throws DeviceError, naming the devices that can be used.
Device find_device(const std::string& name);

// ---------------------------------------------------------------------------------------------------------- model_info

struct ModelInfo {
    std::vector<std::string> names;  // of the classes, by class id, UTF-8
    std::vector<int> strides;        // by output, in pixels
    std::vector<Anchors> anchors;    // by output
    cv::Size imgsz{640, 640};        // size the network was converted for
    std::string task = "detect";     // one of `tasks()`
    bool dynamic = false;            // may the input have another size, divisible by `size_multiple`?
    int size_multiple = 0;           // what height and width of the input must be divisible by
    int fold = 1;                    // side of the squares of pixels that the input holds as channels, see `to_blob`
    std::string producer;            // the program that wrote the file, and its version
};

// ---------------------------------------------------------------------------------------------------------- model_file

// An ONNX file in memory, in the form for OpenCV, and its metadata_props: JSON texts by key.
struct ModelFile {
    std::vector<unsigned char> buffer;
    std::map<std::string, std::string> metadata;
};

// Reads an ONNX file. The buffer differs from the file in one respect: `Swish` nodes lose their domain, so
// that OpenCV takes them for its own layer of that name.
// Throws ModelError if there is no such file or it isn't an ONNX model.
ModelFile read_model(const std::filesystem::path& path);

// Makes the ModelInfo of a file from its metadata, checking every value. What `given` has of names, anchors
// and strides replaces the file's. With all three, the file needs no metadata: its network then counts as one
// of fixed size, 640 × 640 unless the file says other.
// Throws ModelError, which names the value that is missing or wrong.
ModelInfo read_info(const std::map<std::string, std::string>& metadata, const std::filesystem::path& path,
                    const ModelInfo& given = {});

// ----------------------------------------------------------------------------------------------------------- letterbox

constexpr unsigned char grey = 114;  // of the padding, in all three channels

// Where an image lies on its canvas: canvas = image · scale + pad, for x and y alike. The pads are not rounded
// to whole pixels, although the picture itself is: that is how YOLOv5 maps boxes back.
struct Placement {
    double scale = 1;
    double pad_x = 0;
    double pad_y = 0;
};

// Brings an image into the one form that everything here works on: 8 bits, three channels, BGR.
// Takes 8 or 16 bits, grey, BGR or BGRA. Alpha is dropped and 16 bits become 8 by leaving out the low byte,
// both as cv::imread does it. Returns `image` itself if it has that form, else what it wrote to `buffers`.
// Throws InputError for anything else.
cv::Mat to_bgr(const cv::Mat& image, std::array<cv::Mat, 2>& buffers);

// Size of the canvas for an image. With `multiple` 0 it is `imgsz`. Else each side is the smallest multiple of it (a
// network's size_multiple) that holds the image once it has been scaled to fit into `imgsz`.
cv::Size letterbox_shape(cv::Size image, cv::Size imgsz, int multiple = 0);

// Scales a BGR image into `imgsz`, keeping its aspect ratio, and centres it on the grey `canvas`, which gets
// the size that `letterbox_shape` says.
Placement letterbox(const cv::Mat& image, cv::Size imgsz, int multiple, cv::Mat& canvas);

// Moves a box, x1 y1 x2 y2, from canvas pixels to image pixels and clips it to the image.
cv::Vec4f unletterbox(const cv::Vec4f& xyxy, const Placement& placement, cv::Size image);

// Turns a BGR canvas, 8 bits (H, W), into the network's input: float (1, 3, H, W), RGB, 0 to 1. With fold f it is
// (1, 3f², H/f, W/f): each square of f × f pixels becomes one, the pixel in its column dx and row dy the channels
// 3(f · dx + dy) to 3(f · dx + dy) + 2. That is the order of YOLOv5's Focus layer. f must divide H and W.
void to_blob(const cv::Mat& canvas, int fold, cv::Mat& blob);

// ------------------------------------------------------------------------------------------------------------- network

// A loaded network: call it on a blob to get its raw outputs.
class Network {
public:
    // `path` is for messages only.
    // Throws ModelError if OpenCV cannot load the network, or it hasn't as many outputs as `info` describes.
    Network(const ModelFile& model, const ModelInfo& info, const Device& device, const std::string& path);

    // Runs forward on what `to_blob` made. The outputs are the network's own, and the next call overwrites them.
    // Throws ModelError if OpenCV fails, or an output has another shape than the ModelInfo asks for.
    const std::vector<cv::Mat>& operator()(const cv::Mat& blob);
};

// ---------------------------------------------------------------------------------------------------------- candidates

// Boxes of one image that may be objects, in columns of equal length. Whoever adds a column adds it to each function
// here, and it travels with the boxes.
struct Candidates {
    std::vector<cv::Vec4f> xyxy;  // x1 y1 x2 y2 in pixels of the network's input
    std::vector<float> scores;    // objectness × class probability, 0 to 1
    std::vector<int> class_ids;
    std::vector<float> extra;  // `extra_width` values of each, one candidate after the other: what its task adds
    std::size_t extra_width = 0;

    std::size_t size() const;

    void resize(std::size_t count);

    // Writes the candidates with these indices, in their order, to `chosen`, which is not this object itself.
    void select(const std::vector<int>& indices, Candidates& chosen) const;

    // Adds others behind these. Throws InputError if they have more or fewer extra values.
    void append(const Candidates& others);
};

// -------------------------------------------------------------------------------------------------------------- decode

using Anchors = std::vector<cv::Size2f>;  // of one head, in pixels of the network's input

// Which of the outputs of one anchor in one cell are class logits, and which its task's extra values. Outputs 0 to 4
// are always x, y, w, h and objectness.
struct Layout {
    cv::Range classes;
    cv::Range extra;
};

// The raw map of one head for one image: `channels` planes of ny × nx floats, anchor by anchor as `Layout` says. It
// looks at the data of somebody else.
struct Head {
    const float* data = nullptr;
    int channels = 0;
    int ny = 0;
    int nx = 0;
};

// 1 / (1 + e⁻ˣ); far outside ±88 it is exactly 0 or 1.
float sigmoid(float x);

// The inverse of `sigmoid`: ln(p / (1 − p)), from −∞ at 0 to +∞ at 1.
double logit(double probability);

// Views the output `blob` of a network, float (N, channels, ny, nx), at one image of the batch.
// Throws ModelError if it has another form.
Head head_of(const cv::Mat& blob, int image = 0);

// The box of one candidate, x1 y1 x2 y2 in pixels of the network's input, from its four box logits t_x t_y t_w t_h,
// the column and row of its cell, its anchor and its head's stride. (Python's `decode_boxes` takes many at once.)
cv::Vec4f decode_boxes(const cv::Vec4f& logits, cv::Point2f cell, cv::Size2f anchor, float stride);

// Finds the candidates of one image whose score is above `conf_thres`, in the order head, anchor, row, column,
// class. `anchors` and `strides` go by head. A candidate counts if its objectness and its score both are above
// `conf_thres`; it is given its best class (the first of equals), or with `multi_label` every class that is above.
// Its extra values are the outputs as they come.
// Throws ModelError if the heads don't fit the anchors or the layout, or an objectness is not a number, as when 16-bit
// arithmetic overflowed.
void decode(const std::vector<Head>& heads, const std::vector<Anchors>& anchors, const std::vector<int>& strides,
            const Layout& layout, double conf_thres, bool multi_label, Candidates& found);

// ----------------------------------------------------------------------------------------------------------------- nms

constexpr std::size_t max_nms = 30000;  // only so many of the best candidates are looked at, as in YOLOv5

// Intersection over union of two boxes x1 y1 x2 y2: intersection / (area + area − intersection). It is NaN if
// both are without area.
float iou(const cv::Vec4f& a, const cv::Vec4f& b);

// Chooses boxes greedily by score; suppresses those whose IoU with a chosen one is above `iou_thres`. A box
// suppresses others of its own class only, or of all classes if `agnostic`. Equal scores are taken in the order
// given. The IoU of floats is compared with the threshold as a double, as torchvision does it. Writes the indices of
// the chosen ones to `kept`, best first, at most `max_det`.
void nms(const Candidates& candidates, double iou_thres, int max_det, bool agnostic, std::vector<int>& kept);

// --------------------------------------------------------------------------------------------------------------- tasks

using Shape = std::vector<int>;  // of an array, the slowest dimension first

struct Task {
    std::string name;                   // as the metadata say it
    std::vector<std::string> required;  // keys that the metadata must have
    // Looks at the values of those keys together. Throws detail::Invalid.
    void (*check)(const ModelInfo& info);
    // The network's outputs, in order, for an input of this size.
    std::vector<Shape> (*output_shapes)(const ModelInfo& info, cv::Size size);
    // Which outputs of an anchor mean what.
    Layout (*layout)(const ModelInfo& info);
};

const std::vector<Task>& tasks();

// Throws detail::Invalid for a task that is not in the table.
const Task& find_task(const std::string& name);
*/

#ifndef YOLOV5_DNN_HPP
#define YOLOV5_DNN_HPP

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <limits>
#include <locale>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <opencv2/imgproc.hpp>

namespace yolov5_dnn {

// -------------------------------------------------------------------------------------------------------------- errors
//
// What goes wrong, and how it is said.

// Anything this header refuses to do; what() is one sentence fit for a terminal.
class DetectorError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The model file is missing, damaged, without metadata, or at odds with what its network gives.
class ModelError : public DetectorError {
    using DetectorError::DetectorError;
};

// This build of OpenCV cannot run on the device that was asked for.
class DeviceError : public DetectorError {
    using DetectorError::DetectorError;
};

// An image, a source or an argument cannot be used.
class InputError : public DetectorError {
    using DetectorError::DetectorError;
};

namespace detail {

// What is wrong with some bytes or values; becomes a ModelError where the file's name is known.
class Invalid : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The telling part of an OpenCV error, which comes with paths and line numbers of its own source.
inline std::string reason(const std::exception& error) {
    const auto* const from_opencv = dynamic_cast<const cv::Exception*>(&error);
    const std::string text = from_opencv && !from_opencv->err.empty() ? from_opencv->err : error.what();
    return text.substr(0, text.find('\n'));
}

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------- candidates
//
// What decode finds and NMS chooses from.

// Boxes of one image that may be objects, in columns of equal length. Whoever adds a column adds it to each function
// here, and it travels with the boxes.
struct Candidates {
    std::vector<cv::Vec4f> xyxy;  // x1 y1 x2 y2 in pixels of the network's input
    std::vector<float> scores;    // objectness × class probability, 0 to 1
    std::vector<int> class_ids;
    std::vector<float> extra;  // `extra_width` values of each, one candidate after the other: what its task adds
    std::size_t extra_width = 0;

    std::size_t size() const { return scores.size(); }

    void resize(std::size_t count) {
        xyxy.resize(count);
        scores.resize(count);
        class_ids.resize(count);
        extra.resize(count * extra_width);
    }

    // Writes the candidates with these indices, in their order, to `chosen`, which is not this object itself.
    void select(const std::vector<int>& indices, Candidates& chosen) const {
        chosen.extra_width = extra_width;
        chosen.resize(indices.size());
        for (std::size_t k = 0; k < indices.size(); ++k) {
            const auto i = static_cast<std::size_t>(indices[k]);
            chosen.xyxy[k] = xyxy[i];
            chosen.scores[k] = scores[i];
            chosen.class_ids[k] = class_ids[i];
            for (std::size_t e = 0; e < extra_width; ++e)
                chosen.extra[k * extra_width + e] = extra[i * extra_width + e];
        }
    }

    // Adds others behind these. Throws InputError if they have more or fewer extra values.
    void append(const Candidates& others) {
        if (size() == 0) extra_width = others.extra_width;
        if (others.size() > 0 && others.extra_width != extra_width)
            throw InputError("candidates with " + std::to_string(extra_width) + " and with " +
                             std::to_string(others.extra_width) + " extra values cannot be joined");
        xyxy.insert(xyxy.end(), others.xyxy.begin(), others.xyxy.end());
        scores.insert(scores.end(), others.scores.begin(), others.scores.end());
        class_ids.insert(class_ids.end(), others.class_ids.begin(), others.class_ids.end());
        extra.insert(extra.end(), others.extra.begin(), others.extra.end());
    }
};

// -------------------------------------------------------------------------------------------------------------- decode
//
// From the network's raw head maps to candidate boxes. With σ the logistic function, an anchor of w × h pixels
// and the cell (column, row) of a head of stride s:
//
//     centre = (2σ(t_xy) − 0.5 + cell) · s        size = (2σ(t_wh))² · anchor
//     score  = σ(t_objectness) · σ(t_class)
//
// https://docs.ultralytics.com/yolov5/tutorials/architecture_description/#44-eliminate-grid-sensitivity

using Anchors = std::vector<cv::Size2f>;  // of one head, in pixels of the network's input

// Which of the outputs of one anchor in one cell are class logits, and which its task's extra values. Outputs 0 to 4
// are always x, y, w, h and objectness.
struct Layout {
    cv::Range classes;
    cv::Range extra;
};

// The raw map of one head for one image: `channels` planes of ny × nx floats, anchor by anchor as `Layout` says. It
// looks at the data of somebody else.
struct Head {
    const float* data = nullptr;
    int channels = 0;
    int ny = 0;
    int nx = 0;
};

// 1 / (1 + e⁻ˣ); far outside ±88 it is exactly 0 or 1.
inline float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

// The inverse of `sigmoid`: ln(p / (1 − p)), from −∞ at 0 to +∞ at 1.
inline double logit(double probability) {
    if (probability <= 0) return -std::numeric_limits<double>::infinity();
    if (probability >= 1) return std::numeric_limits<double>::infinity();
    return std::log(probability / (1 - probability));
}

// Views the output `blob` of a network, float (N, channels, ny, nx), at one image of the batch.
// Throws ModelError if it has another form.
inline Head head_of(const cv::Mat& blob, int image = 0) {
    if (blob.dims != 4 || blob.type() != CV_32F || !blob.isContinuous() || image < 0 || image >= blob.size[0])
        throw ModelError("a head must be a float map of shape (N, channels, ny, nx)");
    return {blob.ptr<float>(image), blob.size[1], blob.size[2], blob.size[3]};
}

// The box of one candidate, x1 y1 x2 y2 in pixels of the network's input, from its four box logits t_x t_y t_w t_h,
// the column and row of its cell, its anchor and its head's stride. (Python's `decode_boxes` takes many at once.)
inline cv::Vec4f decode_boxes(const cv::Vec4f& logits, cv::Point2f cell, cv::Size2f anchor, float stride) {
    const float x = (2 * sigmoid(logits[0]) - 0.5F + cell.x) * stride;
    const float y = (2 * sigmoid(logits[1]) - 0.5F + cell.y) * stride;
    const float doubled_w = 2 * sigmoid(logits[2]), doubled_h = 2 * sigmoid(logits[3]);
    const float half_w = doubled_w * doubled_w * anchor.width / 2;
    const float half_h = doubled_h * doubled_h * anchor.height / 2;
    return {x - half_w, y - half_h, x + half_w, y + half_h};
}

namespace detail {

// The outputs of one anchor in one cell of a head.
struct Outputs {
    const float* first;
    std::ptrdiff_t plane;  // so many floats further lies the next one

    float operator[](int k) const { return first[k * plane]; }
};

// Calls visit(outputs, anchor, cell), with the numbers of both, for each anchor and cell of a head whose objectness logit
// is above a threshold. Only the objectness planes are read in full.
// Throws ModelError if the head doesn't have `size` channels for each anchor, or an objectness is not a number.
template <typename Visit>
void above(const Head& head, std::size_t anchors, int size, float threshold, const Visit& visit) {
    if (anchors == 0 || head.channels != static_cast<int>(anchors) * size)
        throw ModelError("a head of " + std::to_string(head.channels) + " channels does not fit " +
                         std::to_string(anchors) + " anchors with " + std::to_string(size) + " channels each");
    const auto plane = static_cast<std::ptrdiff_t>(head.ny) * head.nx;
    for (std::size_t anchor = 0; anchor < anchors; ++anchor) {
        const float* const planes = head.data + static_cast<std::ptrdiff_t>(anchor) * size * plane;
        const float* const objectness = planes + 4 * plane;
        for (std::ptrdiff_t i = 0; i < plane; ++i) {
            if (objectness[i] <= threshold) continue;
            if (std::isnan(objectness[i]))
                throw ModelError("the network's output is not a number: on a 16-bit device, try the 32-bit one");
            visit(Outputs{planes + i, plane}, anchor, i);
        }
    }
}

// A class logit below which a score cannot be above `conf_thres`, so that most classes need no exponential to be ruled
// out. It is lower than needed by more than rounding could mend; above 10, σ is too flat to tell.
inline float likely(float objectness, double conf_thres) {
    const double needed = logit(conf_thres / static_cast<double>(objectness));
    return static_cast<float>(std::min(needed, 10.0) - 0.01);
}

}  // namespace detail

// Finds the candidates of one image whose score is above `conf_thres`, in the order head, anchor, row, column,
// class. `anchors` and `strides` go by head. A candidate counts if its objectness and its score both are above
// `conf_thres`; it is given its best class (the first of equals), or with `multi_label` every class that is above.
// Its extra values are the outputs as they come.
// Throws ModelError if the heads don't fit the anchors or the layout, or an objectness is not a number, as when 16-bit
// arithmetic overflowed.
inline void decode(const std::vector<Head>& heads, const std::vector<Anchors>& anchors, const std::vector<int>& strides,
                   const Layout& layout, double conf_thres, bool multi_label, Candidates& found) {
    if (heads.size() != anchors.size() || heads.size() != strides.size())
        throw ModelError("the network has " + std::to_string(heads.size()) + " heads, but there are anchors for " +
                         std::to_string(anchors.size()) + " and strides for " + std::to_string(strides.size()));
    if (layout.classes.start < 5 || layout.classes.empty()) throw ModelError("a head without classes finds nothing");
    const auto objectness_thres = static_cast<float>(logit(conf_thres));
    const auto score_thres = static_cast<float>(conf_thres);
    const int size = std::max(layout.classes.end, layout.extra.end);  // outputs of one anchor
    found.extra_width = static_cast<std::size_t>(layout.extra.size());
    found.resize(0);

    for (std::size_t i = 0; i < heads.size(); ++i) {
        const auto stride = static_cast<float>(strides[i]);
        const std::ptrdiff_t nx = heads[i].nx;
        const auto visit = [&](const detail::Outputs& t, std::size_t anchor, std::ptrdiff_t cell) {
            const float objectness = sigmoid(t[4]);
            cv::Vec4f box;  // decoded once, if at all
            bool decoded = false;
            const auto keep = [&](int output, float score) {
                if (!(score > score_thres)) return;
                if (!decoded) {
                    const cv::Point2f place(static_cast<float>(cell % nx), static_cast<float>(cell / nx));
                    box = decode_boxes({t[0], t[1], t[2], t[3]}, place, anchors[i][anchor], stride);
                    decoded = true;
                }
                found.xyxy.push_back(box);
                found.scores.push_back(score);
                found.class_ids.push_back(output - layout.classes.start);
                for (int k = layout.extra.start; k < layout.extra.end; ++k) found.extra.push_back(t[k]);
            };
            if (multi_label) {
                const float least = detail::likely(objectness, conf_thres);
                for (int k = layout.classes.start; k < layout.classes.end; ++k)
                    if (!(t[k] < least)) keep(k, objectness * sigmoid(t[k]));
            } else {
                int best = layout.classes.start;
                for (int k = best + 1; k < layout.classes.end; ++k)
                    if (t[k] > t[best]) best = k;
                keep(best, objectness * sigmoid(t[best]));
            }
        };
        detail::above(heads[i], anchors[i].size(), size, objectness_thres, visit);
    }
}

// ---------------------------------------------------------------------------------------------------------- detections
//
// What was found.

// One object that was found.
struct Detection {
    int class_id = 0;
    float score = 0;  // objectness × class probability, 0 to 1
    cv::Rect2f box;   // in the image's pixels, within the image
};

// ------------------------------------------------------------------------------------------------------------- devices
//
// The devices that OpenCV's networks may run on, by name.

// A device's name, and its backend and target as OpenCV numbers them.
struct Device {
    std::string name;
    cv::dnn::Backend backend;
    cv::dnn::Target target;
};

namespace detail {

inline const std::vector<Device>& devices() {
    using namespace cv::dnn;
    static const std::vector<Device> all = {
        {"cpu", DNN_BACKEND_OPENCV, DNN_TARGET_CPU},
        {"opencl", DNN_BACKEND_OPENCV, DNN_TARGET_OPENCL},
        {"opencl-fp16", DNN_BACKEND_OPENCV, DNN_TARGET_OPENCL_FP16},
        {"cuda", DNN_BACKEND_CUDA, DNN_TARGET_CUDA},
        {"cuda-fp16", DNN_BACKEND_CUDA, DNN_TARGET_CUDA_FP16},
        {"openvino", DNN_BACKEND_INFERENCE_ENGINE, DNN_TARGET_CPU},
        {"openvino-gpu", DNN_BACKEND_INFERENCE_ENGINE, DNN_TARGET_OPENCL},
        {"openvino-gpu-fp16", DNN_BACKEND_INFERENCE_ENGINE, DNN_TARGET_OPENCL_FP16},
        {"vulkan", DNN_BACKEND_VKCOM, DNN_TARGET_VULKAN},
#if CV_VERSION_MAJOR * 100 + CV_VERSION_MINOR >= 406
        {"timvx", DNN_BACKEND_TIMVX, DNN_TARGET_NPU},
#endif
#if CV_VERSION_MAJOR * 100 + CV_VERSION_MINOR >= 408
        {"cpu-fp16", DNN_BACKEND_OPENCV, DNN_TARGET_CPU_FP16},
        {"cann", DNN_BACKEND_CANN, DNN_TARGET_NPU},
#endif
    };
    return all;
}

inline bool is_available(const Device& device) {
    const auto targets = cv::dnn::getAvailableTargets(device.backend);
    return std::find(targets.begin(), targets.end(), device.target) != targets.end();
}

}  // namespace detail

// Names the devices that this OpenCV, on this machine, can use.
inline std::vector<std::string> available_devices() {
    std::vector<std::string> names;
    for (const Device& device : detail::devices())
        if (detail::is_available(device)) names.push_back(device.name);
    return names;
}

// Looks a device up and makes sure that it can be used: OpenCV itself would fall back to the CPU.
// Throws DeviceError, naming the devices that can be used.
inline Device find_device(const std::string& name) {
    std::string usable;
    for (const std::string& each : available_devices()) usable += (usable.empty() ? "" : ", ") + each;
    for (const Device& device : detail::devices()) {
        if (device.name != name) continue;
        if (detail::is_available(device)) return device;
        throw DeviceError("this OpenCV (" CV_VERSION ") cannot use the device '" + name + "'; it can use " + usable);
    }
    throw DeviceError("there is no device '" + name + "'; this OpenCV can use " + usable);
}

// ----------------------------------------------------------------------------------------------------------- letterbox
//
// From an image of any size to the network's input, and back again for boxes. The arithmetic, rounding
// included, is YOLOv5's, so that boxes agree with PyTorch's:
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (letterbox) and
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/general.py (scale_boxes).

constexpr unsigned char grey = 114;  // of the padding, in all three channels

// Where an image lies on its canvas: canvas = image · scale + pad, for x and y alike. The pads are not rounded
// to whole pixels, although the picture itself is: that is how YOLOv5 maps boxes back.
struct Placement {
    double scale = 1;
    double pad_x = 0;
    double pad_y = 0;
};

// Brings an image into the one form that everything here works on: 8 bits, three channels, BGR.
// Takes 8 or 16 bits, grey, BGR or BGRA. Alpha is dropped and 16 bits become 8 by leaving out the low byte,
// both as cv::imread does it. Returns `image` itself if it has that form, else what it wrote to `buffers`.
// Throws InputError for anything else.
inline cv::Mat to_bgr(const cv::Mat& image, std::array<cv::Mat, 2>& buffers) {
    if (image.empty()) throw InputError("the image is empty");
    const int channels = image.channels();
    if (image.dims != 2 || (channels != 1 && channels != 3 && channels != 4))
        throw InputError("an image must have two dimensions and 1, 3 or 4 channels, not " + std::to_string(image.dims) +
                         " and " + std::to_string(channels));
    if (image.depth() != CV_8U && image.depth() != CV_16U)
        throw InputError("an image must hold 8 or 16 bits without sign, not " + cv::typeToString(image.depth()));
    cv::Mat bytes = image;
    if (image.depth() == CV_16U) {
        buffers[0].create(image.rows, image.cols, CV_8UC(channels));
        for (int y = 0; y < image.rows; ++y) {
            const auto* from = image.ptr<std::uint16_t>(y);
            std::transform(from, from + image.cols * channels, buffers[0].ptr<unsigned char>(y),
                           [](std::uint16_t value) { return static_cast<unsigned char>(value >> 8); });
        }
        bytes = buffers[0];
    }
    if (channels == 3) return bytes;
    cv::cvtColor(bytes, buffers[1], channels == 1 ? cv::COLOR_GRAY2BGR : cv::COLOR_BGRA2BGR);
    return buffers[1];
}

namespace detail {

// Rounds halves to the even neighbour, as Python does.
inline int round(double value) { return static_cast<int>(std::nearbyint(value)); }

inline int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

// Size of the scaled image itself, without padding: at least one pixel each way.
inline cv::Size resized_shape(cv::Size image, cv::Size imgsz) {
    const double scale =
        std::min(static_cast<double>(imgsz.height) / image.height, static_cast<double>(imgsz.width) / image.width);
    return {std::max(round(image.width * scale), 1), std::max(round(image.height * scale), 1)};
}

}  // namespace detail

// Size of the canvas for an image. With `multiple` 0 it is `imgsz`. Else each side is the smallest multiple of it (a
// network's size_multiple) that holds the image once it has been scaled to fit into `imgsz`.
inline cv::Size letterbox_shape(cv::Size image, cv::Size imgsz, int multiple = 0) {
    if (multiple == 0) return imgsz;
    const cv::Size resized = detail::resized_shape(image, imgsz);
    return {detail::round_up(resized.width, multiple), detail::round_up(resized.height, multiple)};
}

// Scales a BGR image into `imgsz`, keeping its aspect ratio, and centres it on the grey `canvas`, which gets
// the size that `letterbox_shape` says.
inline Placement letterbox(const cv::Mat& image, cv::Size imgsz, int multiple, cv::Mat& canvas) {
    const cv::Size size = letterbox_shape(image.size(), imgsz, multiple);
    const cv::Size inner = detail::resized_shape(image.size(), imgsz);
    canvas.create(size, CV_8UC3);

    const int top = detail::round((size.height - inner.height) / 2.0 - 0.1);
    const int left = detail::round((size.width - inner.width) / 2.0 - 0.1);
    const int bottom = top + inner.height, right = left + inner.width;
    const auto pad = [&canvas](cv::Range rows, cv::Range columns) {
        for (int y = rows.start; y < rows.end; ++y) {
            unsigned char* const row = canvas.ptr<unsigned char>(y);
            std::fill(row + 3 * columns.start, row + 3 * columns.end, grey);
        }
    };
    pad({0, top}, {0, size.width});
    pad({bottom, size.height}, {0, size.width});
    pad({top, bottom}, {0, left});
    pad({top, bottom}, {right, size.width});
    cv::Mat inside = canvas(cv::Range(top, bottom), cv::Range(left, right));
    if (image.total() == 1) {  // OpenCV 4.5.4 fails to resize a single pixel
        inside.setTo(cv::Scalar(image.at<cv::Vec3b>(0, 0)));
    } else if (inner == image.size()) {
        image.copyTo(inside);
    } else {
        cv::resize(image, inside, inner, 0, 0, cv::INTER_LINEAR);
    }

    // YOLOv5 takes the scale for the way back from the canvas, not from the resize. They differ when rounding
    // brought the shorter side down to a multiple.
    const double scale =
        std::min(static_cast<double>(size.height) / image.rows, static_cast<double>(size.width) / image.cols);
    return {scale, (size.width - image.cols * scale) / 2, (size.height - image.rows * scale) / 2};
}

// Moves a box, x1 y1 x2 y2, from canvas pixels to image pixels and clips it to the image.
inline cv::Vec4f unletterbox(const cv::Vec4f& xyxy, const Placement& placement, cv::Size image) {
    const auto scale = static_cast<float>(placement.scale);
    const auto pad_x = static_cast<float>(placement.pad_x), pad_y = static_cast<float>(placement.pad_y);
    const auto width = static_cast<float>(image.width), height = static_cast<float>(image.height);
    const auto clip = [](float value, float most) { return std::min(std::max(value, 0.0F), most); };
    return {clip((xyxy[0] - pad_x) / scale, width), clip((xyxy[1] - pad_y) / scale, height),
            clip((xyxy[2] - pad_x) / scale, width), clip((xyxy[3] - pad_y) / scale, height)};
}

// Turns a BGR canvas, 8 bits (H, W), into the network's input: float (1, 3, H, W), RGB, 0 to 1. With fold f it is
// (1, 3f², H/f, W/f): each square of f × f pixels becomes one, the pixel in its column dx and row dy the channels
// 3(f · dx + dy) to 3(f · dx + dy) + 2. That is the order of YOLOv5's Focus layer. f must divide H and W.
inline void to_blob(const cv::Mat& canvas, int fold, cv::Mat& blob) {
    // What /255 makes of each byte. Looking it up is exact and costs one pass over the pixels.
    static const std::array<float, 256> unit = [] {
        std::array<float, 256> table{};
        for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i) / 255.0F;
        return table;
    }();
    const std::array<int, 4> shape = {1, 3 * fold * fold, canvas.rows / fold, canvas.cols / fold};
    blob.create(4, shape.data(), CV_32F);
    const auto plane = static_cast<std::ptrdiff_t>(shape[2]) * shape[3];
    for (int y = 0; y < canvas.rows; ++y) {
        for (int dx = 0; dx < fold; ++dx) {
            const unsigned char* bgr = canvas.ptr<unsigned char>(y, dx);
            float* red = blob.ptr<float>(0, 3 * (fold * dx + y % fold), y / fold);
            for (int x = 0; x < shape[3]; ++x, ++red, bgr += 3 * fold) {
                red[0] = unit[bgr[2]];
                red[plane] = unit[bgr[1]];
                red[2 * plane] = unit[bgr[0]];
            }
        }
    }
}

// ------------------------------------------------------------------------------------------------------------- unicode
//
// UTF-8: the names of files, and how long a character is.

namespace detail {

// A file's name as UTF-8, for messages.
inline std::string utf8(const std::filesystem::path& path) {
    const auto text = path.u8string();  // made of char8_t from C++20 on
    return std::string(text.begin(), text.end());
}

// Length in bytes of the UTF-8 character at text[at], or 0 if there is none, or a broken, overlong or surrogate one.
inline std::size_t character_length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) {
        return at + i < text.size() ? static_cast<unsigned>(static_cast<unsigned char>(text[at + i])) : 0U;
    };
    const unsigned lead = byte(0), second = byte(1);
    if (lead < 0x80) return at < text.size() ? 1 : 0;
    const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool surrogate = lead == 0xED && second >= 0xA0, beyond = lead == 0xF4 && second >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------------- json
//
// JSON, which the values of a model file's metadata are written in.

namespace detail {

constexpr int max_json_depth = 16;

// A JSON value. Of an object, `keys` lies beside `items`.
struct Json {
    enum class Type { null, boolean, number, string, array, object };
    Type type = Type::null;
    bool boolean = false;
    double number = 0;
    std::string string;
    std::vector<std::string> keys;
    std::vector<Json> items;
};

// Reads one JSON text (RFC 8259) and accepts nothing else. Throws Invalid.
class JsonReader {
public:
    static Json read(std::string_view text) {
        JsonReader reader(text);
        Json value = reader.value(0);
        reader.space();
        if (reader.at_ != text.size()) reader.fail();
        return value;
    }

private:
    explicit JsonReader(std::string_view text) : text_(text) {}

    [[noreturn]] void fail() const { throw Invalid("not JSON from byte " + std::to_string(at_) + " on"); }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    bool take(char wanted) {
        if (peek() != wanted || at_ == text_.size()) return false;
        ++at_;
        return true;
    }

    void space() {
        while (take(' ') || take('\t') || take('\n') || take('\r')) {
        }
    }

    bool take_word(std::string_view word) {
        if (text_.substr(at_, word.size()) != word) return false;
        at_ += word.size();
        return true;
    }

    Json value(int depth) {
        if (depth > max_json_depth) fail();
        Json json;
        space();
        if (take('{')) {
            json.type = Json::Type::object;
            for (bool more = !take_end('}'); more; more = take_comma('}')) {
                space();
                json.keys.push_back(string());
                space();
                if (!take(':')) fail();
                json.items.push_back(value(depth + 1));
            }
        } else if (take('[')) {
            json.type = Json::Type::array;
            for (bool more = !take_end(']'); more; more = take_comma(']')) json.items.push_back(value(depth + 1));
        } else if (peek() == '"') {
            json.type = Json::Type::string;
            json.string = string();
        } else if (take_word("true")) {
            json.type = Json::Type::boolean;
            json.boolean = true;
        } else if (take_word("false")) {
            json.type = Json::Type::boolean;
        } else if (!take_word("null")) {
            json.type = Json::Type::number;
            json.number = number();
        }
        return json;
    }

    bool take_end(char end) {
        space();
        return take(end);
    }

    // After an item: true if another one follows, false if the list ends here.
    bool take_comma(char end) {
        space();
        if (take(end)) return false;
        if (!take(',')) fail();
        return true;
    }

    bool take_digits() {
        const std::size_t first = at_;
        while (peek() >= '0' && peek() <= '9') ++at_;
        return at_ > first;
    }

    double number() {
        const std::size_t first = at_;
        take('-');
        if (!take('0') && !take_digits()) fail();
        if (take('.') && !take_digits()) fail();
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            if (!take_digits()) fail();
        }
        std::istringstream stream{std::string(text_.substr(first, at_ - first))};
        stream.imbue(std::locale::classic());  // a decimal point is a point wherever the program runs
        double number = 0;
        stream >> number;
        if (!std::isfinite(number) || stream.fail()) fail();
        return number;
    }

    std::string string() {
        if (!take('"')) fail();
        std::string text;
        while (!take('"')) {
            if (take('\\')) {
                escape(text);
            } else {
                character(text);
            }
        }
        return text;
    }

    void character(std::string& text) {
        const std::size_t length = character_length(text_, at_);
        if (length == 0 || static_cast<unsigned char>(text_[at_]) < 0x20) fail();
        text.append(text_.substr(at_, length));
        at_ += length;
    }

    void escape(std::string& text) {
        constexpr std::string_view letters = "\"\\/bfnrt";
        constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
        const std::size_t letter = at_ < text_.size() ? letters.find(text_[at_]) : std::string_view::npos;
        if (letter != std::string_view::npos) {
            ++at_;
            text += meanings[letter];
            return;
        }
        if (!take('u')) fail();
        unsigned code = hex4();
        if (code >= 0xD800 && code < 0xDC00) {  // the first half of a surrogate pair
            if (!take('\\') || !take('u')) fail();
            const unsigned low = hex4();
            if (low < 0xDC00 || low >= 0xE000) fail();
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC00 && code < 0xE000) {
            fail();
        }
        append_utf8(text, code);
    }

    unsigned hex4() {
        unsigned code = 0;
        for (int i = 0; i < 4; ++i) {
            const char c = peek();
            unsigned digit = 0;
            if (c >= '0' && c <= '9') {
                digit = static_cast<unsigned>(c - '0');
            } else if (c >= 'a' && c <= 'f') {
                digit = static_cast<unsigned>(c - 'a') + 10;
            } else if (c >= 'A' && c <= 'F') {
                digit = static_cast<unsigned>(c - 'A') + 10;
            } else {
                fail();
            }
            code = code * 16 + digit;
            ++at_;
        }
        return code;
    }

    static void append_utf8(std::string& text, unsigned code) {
        const auto append = [&text](unsigned byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
        if (code < 0x80) {
            append(code);
        } else if (code < 0x800) {
            append(0xC0 | (code >> 6));
            append(0x80 | (code & 0x3F));
        } else if (code < 0x10000) {
            append(0xE0 | (code >> 12));
            append(0x80 | ((code >> 6) & 0x3F));
            append(0x80 | (code & 0x3F));
        } else {
            append(0xF0 | (code >> 18));
            append(0x80 | ((code >> 12) & 0x3F));
            append(0x80 | ((code >> 6) & 0x3F));
            append(0x80 | (code & 0x3F));
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------- model_info
//
// What a model file says about its network.

namespace detail {

constexpr int max_side = 8192;  // of the network's input, in pixels: a wrong size should not fill the memory

}  // namespace detail

struct ModelInfo {
    std::vector<std::string> names;  // of the classes, by class id, UTF-8
    std::vector<int> strides;        // by output, in pixels
    std::vector<Anchors> anchors;    // by output
    cv::Size imgsz{640, 640};        // size the network was converted for
    std::string task = "detect";     // one of `tasks()`
    bool dynamic = false;            // may the input have another size, divisible by `size_multiple`?
    int size_multiple = 0;           // what height and width of the input must be divisible by
    int fold = 1;                    // side of the squares of pixels that the input holds as channels, see `to_blob`
    std::string producer;            // the program that wrote the file, and its version
};

// ------------------------------------------------------------------------------------------------------------ protobuf
//
// The wire format of protocol buffers, which ONNX files are written in:
// https://protobuf.dev/programming-guides/encoding

namespace detail {

// How a field's value is written.
enum class WireType : std::uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

// One field of a message.
struct ProtoField {
    std::uint64_t number = 0;
    WireType type = WireType::varint;
    std::size_t tag = 0;    // position of the field's first byte
    std::size_t start = 0;  // of its value
    std::size_t end = 0;

    // Is it the field of this number, and its value text, bytes or a message?
    bool is(std::uint64_t wanted) const { return number == wanted && type == WireType::bytes; }
};

// Walks over the fields of the message in bytes [start, end) of a buffer, and never out of it.
class ProtoReader {
public:
    ProtoReader(const std::vector<unsigned char>& buffer, std::size_t start, std::size_t end)
        : buffer_(buffer), at_(start), end_(end) {}

    // Moves on to the next field; false after the last. Throws Invalid if the bytes are no message.
    bool next(ProtoField& field) {
        if (at_ == end_) return false;
        field = ProtoField();
        field.tag = at_;
        const std::uint64_t key = varint();
        field.number = key >> 3;
        if (field.number == 0) throw Invalid("a field number is 0 at byte " + std::to_string(field.tag));
        field.type = static_cast<WireType>(key & 7);
        std::uint64_t length = 0;
        switch (field.type) {
            case WireType::varint: varint(); break;
            case WireType::fixed64: length = 8; break;
            case WireType::bytes: length = varint(); break;
            case WireType::fixed32: length = 4; break;
            default:
                throw Invalid("the wire type " + std::to_string(key & 7) + " at byte " + std::to_string(field.tag) +
                              " is unknown");
        }
        if (length > end_ - at_)
            throw Invalid("it ends in the midst of the field at byte " + std::to_string(field.tag));
        field.start = at_;
        at_ += static_cast<std::size_t>(length);
        field.end = at_;
        return true;
    }

private:
    // A number of seven bits per byte, lowest first.
    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 70; shift += 7) {
            if (at_ == end_) throw Invalid("it ends in the midst of a number at byte " + std::to_string(at_));
            const unsigned char byte = buffer_[at_++];
            value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        throw Invalid("a number is longer than ten bytes at byte " + std::to_string(at_));
    }

    const std::vector<unsigned char>& buffer_;
    std::size_t at_;
    std::size_t end_;
};

// The first byte of a field with bytes, for numbers below 16.
constexpr unsigned char tag_of(std::uint64_t number) {
    return static_cast<unsigned char>(number << 3 | static_cast<std::uint64_t>(WireType::bytes));
}

inline std::string text_of(const std::vector<unsigned char>& buffer, const ProtoField& field) {
    return std::string(buffer.data() + field.start, buffer.data() + field.end);
}

}  // namespace detail

// --------------------------------------------------------------------------------------------------------------- tasks
//
// What a task changes, in one table. Nothing else asks which task a model file is for: a new task is an entry here, and
// a class of its own beside Detector over the same Network and stages.

using Shape = std::vector<int>;  // of an array, the slowest dimension first

struct Task {
    std::string name;                   // as the metadata say it
    std::vector<std::string> required;  // keys that the metadata must have
    // Looks at the values of those keys together. Throws detail::Invalid.
    void (*check)(const ModelInfo& info);
    // The network's outputs, in order, for an input of this size.
    std::vector<Shape> (*output_shapes)(const ModelInfo& info, cv::Size size);
    // Which outputs of an anchor mean what.
    Layout (*layout)(const ModelInfo& info);
};

namespace detail {

inline void check_heads(const ModelInfo& info) {
    if (info.strides.empty() || info.strides.size() != info.anchors.size())
        throw Invalid("there are " + std::to_string(info.strides.size()) + " strides for " +
                      std::to_string(info.anchors.size()) + " outputs with anchors");
    for (const int stride : info.strides)
        if (stride < 1 || stride > max_side)
            throw Invalid("strides must be whole numbers from 1 to " + std::to_string(max_side));
    for (const Anchors& pairs : info.anchors) {
        bool right = !pairs.empty();
        for (const cv::Size2f& pair : pairs)
            right =
                right && pair.width >= 0 && pair.height >= 0 && std::isfinite(pair.width) && std::isfinite(pair.height);
        if (!right) throw Invalid("anchors must be, for each output, pairs of numbers from 0 on");
    }
}

// A head map for each stride, with `outputs` channels for each anchor.
inline std::vector<Shape> head_shapes(const ModelInfo& info, cv::Size size, int outputs) {
    std::vector<Shape> shapes;
    for (std::size_t i = 0; i < info.strides.size(); ++i) {
        const int stride = info.strides[i], channels = static_cast<int>(info.anchors[i].size()) * outputs;
        shapes.push_back({1, channels, size.height / stride, size.width / stride});
    }
    return shapes;
}

inline int class_count(const ModelInfo& info) { return static_cast<int>(info.names.size()); }

}  // namespace detail

inline const std::vector<Task>& tasks() {
    static const std::vector<Task> all = {
        {"detect",
         {"names", "anchors", "strides"},
         detail::check_heads,
         [](const ModelInfo& info, cv::Size size) {
             return detail::head_shapes(info, size, 5 + detail::class_count(info));
         },
         [](const ModelInfo& info) {
             const int end = 5 + detail::class_count(info);
             return Layout{{5, end}, {end, end}};
         }},
    };
    return all;
}

// Throws detail::Invalid for a task that is not in the table.
inline const Task& find_task(const std::string& name) {
    std::string known;
    for (const Task& task : tasks()) {
        if (task.name == name) return task;
        known += (known.empty() ? "'" : ", '") + task.name + "'";
    }
    throw detail::Invalid("the task is '" + name + "', and only " + known + " is supported");
}

// ---------------------------------------------------------------------------------------------------------- model_file
//
// Reading the model file: the network's bytes for OpenCV, and what the file says about itself. The file is ONNX, that
// is a protobuf message. Only a few of its fields matter here; everything else is skipped by its length.

// An ONNX file in memory, in the form for OpenCV, and its metadata_props: JSON texts by key.
struct ModelFile {
    std::vector<unsigned char> buffer;
    std::map<std::string, std::string> metadata;
};

namespace detail {

constexpr std::uintmax_t max_model_bytes = 0x7FFFFFFF;  // protobuf's own limit
constexpr const char* how_to_convert = "convert its checkpoint with: python -m convert CHECKPOINT.pt";

// Numbers of fields: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto
namespace onnx {
constexpr std::uint64_t model_producer_name = 2, model_producer_version = 3, model_graph = 7, model_metadata_props = 14;
constexpr std::uint64_t entry_key = 1, entry_value = 2;
constexpr std::uint64_t graph_node = 1;
constexpr std::uint64_t node_op_type = 4, node_domain = 7, node_unknown = 15;  // the last is nobody's
}  // namespace onnx

// Hides the domain of a Swish node from OpenCV. SiLU is written as a function `Swish` of the model's own
// domain. OpenCV looks for a layer called `domain.Swish`, finds none, and would refuse the file, although it
// has a layer `Swish`, faster than a Sigmoid and a Mul. Under another field number of the same length the domain is
// skipped as unknown.
inline void free_swish(std::vector<unsigned char>& buffer, const ProtoField& node) {
    ProtoReader parts(buffer, node.start, node.end);
    ProtoField part, domain;
    bool swish = false;
    while (parts.next(part)) {
        if (part.is(onnx::node_op_type)) swish = text_of(buffer, part) == "Swish";
        if (part.is(onnx::node_domain)) domain = part;
    }
    if (swish && domain.is(onnx::node_domain) && buffer[domain.tag] == tag_of(onnx::node_domain))
        buffer[domain.tag] = tag_of(onnx::node_unknown);
}

// Collects a ModelProto's metadata, and frees its Swish nodes from their domain. Throws Invalid.
inline std::map<std::string, std::string> walk_model(std::vector<unsigned char>& buffer) {
    std::map<std::string, std::string> metadata;
    std::string producer, producer_version;
    bool has_graph = false;
    ProtoReader fields(buffer, 0, buffer.size());
    ProtoField field, part;
    while (fields.next(field)) {
        ProtoReader parts(buffer, field.start, field.end);
        if (field.is(onnx::model_producer_name)) producer = text_of(buffer, field);
        if (field.is(onnx::model_producer_version)) producer_version = text_of(buffer, field);
        if (field.is(onnx::model_graph)) {
            has_graph = true;
            while (parts.next(part))
                if (part.is(onnx::graph_node)) free_swish(buffer, part);
        }
        if (field.is(onnx::model_metadata_props)) {
            std::optional<std::string> key, value;
            while (parts.next(part)) {
                if (part.is(onnx::entry_key)) key = text_of(buffer, part);
                if (part.is(onnx::entry_value)) value = text_of(buffer, part);
            }
            if (key && value) metadata[*key] = *value;
        }
    }
    if (!has_graph) throw Invalid("it holds no graph");
    const bool both = !producer.empty() && !producer_version.empty();
    metadata.emplace("producer", producer + (both ? " " : "") + producer_version);
    return metadata;
}

// The checks of one metadata value each. They throw Invalid.

inline int to_whole(const Json& json, const std::string& name) {
    if (json.type != Json::Type::number || json.number < 1 || json.number > max_side ||
        std::floor(json.number) != json.number)
        throw Invalid(name + " must be whole numbers from 1 to " + std::to_string(max_side));
    return static_cast<int>(json.number);
}

inline const std::vector<Json>& to_list(const Json& json, const std::string& name) {
    if (json.type != Json::Type::array) throw Invalid(name + " must be a list");
    return json.items;
}

inline std::vector<std::string> to_names(const Json& json) {
    std::vector<std::string> names;
    for (const Json& item : to_list(json, "names")) {
        if (item.type != Json::Type::string) throw Invalid("names must be a list of strings");
        names.push_back(item.string);
    }
    return names;
}

inline std::vector<int> to_strides(const Json& json) {
    std::vector<int> strides;
    for (const Json& item : to_list(json, "strides")) strides.push_back(to_whole(item, "strides"));
    return strides;
}

inline std::vector<Anchors> to_anchors(const Json& json) {
    std::vector<Anchors> anchors;
    for (const Json& output : to_list(json, "anchors")) {
        Anchors pairs;
        std::vector<float> numbers;
        for (const Json& item : to_list(output, "anchors")) {
            if (item.type == Json::Type::number) {  // w, h, w, h … as well as [w, h], [w, h] …
                numbers.push_back(static_cast<float>(item.number));
            } else {
                for (const Json& number : to_list(item, "anchors")) {
                    if (number.type != Json::Type::number) throw Invalid("anchors must be numbers");
                    numbers.push_back(static_cast<float>(number.number));
                }
            }
        }
        for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) pairs.emplace_back(numbers[i], numbers[i + 1]);
        if (numbers.size() % 2) pairs.clear();
        anchors.push_back(pairs);
    }
    return anchors;
}

// Looks at the values that every task has, together. Throws Invalid.
inline void check_info(const ModelInfo& info) {
    if (info.names.empty()) throw Invalid("names must be a list of strings");
    const std::string multiple = std::to_string(info.size_multiple);
    for (const int stride : info.strides)
        if (info.size_multiple % stride)
            throw Invalid("size_multiple " + multiple + " is not divisible by the stride " + std::to_string(stride));
    if (info.imgsz.height % info.size_multiple || info.imgsz.width % info.size_multiple)
        throw Invalid("imgsz " + std::to_string(info.imgsz.height) + " × " + std::to_string(info.imgsz.width) +
                      " is not divisible by the size_multiple " + multiple);
    for (const int stride : info.strides)
        if (stride % info.fold)
            throw Invalid("fold " + std::to_string(info.fold) + " does not divide the stride " +
                          std::to_string(stride));
}

}  // namespace detail

// Reads an ONNX file. The buffer differs from the file in one respect: `Swish` nodes lose their domain, so
// that OpenCV takes them for its own layer of that name.
// Throws ModelError if there is no such file or it isn't an ONNX model.
inline ModelFile read_model(const std::filesystem::path& path) {
    const std::string name = detail::utf8(path);
    std::error_code error;
    if (!std::filesystem::exists(path, error))
        throw ModelError("there is no model file " + name + "; " + detail::how_to_convert + " --output " + name);
    if (!std::filesystem::is_regular_file(path, error)) throw ModelError(name + " is not a file");
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error) throw ModelError(name + " cannot be read: " + error.message());
    if (size > detail::max_model_bytes)
        throw ModelError(name + " has " + std::to_string(size) + " bytes, more than an ONNX file can have");

    ModelFile model;
    model.buffer.resize(static_cast<std::size_t>(size));
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(model.buffer.data()), static_cast<std::streamsize>(size)))
        throw ModelError(name + " cannot be read");
    const std::string_view head(reinterpret_cast<const char*>(model.buffer.data()), model.buffer.size());
    if (head.substr(0, 4) == "PK\x03\x04" || head.substr(0, 2) == "\x80\x02")
        throw ModelError(name + " is a PyTorch checkpoint, not an ONNX model; " + detail::how_to_convert);
    try {
        model.metadata = detail::walk_model(model.buffer);
    } catch (const detail::Invalid& invalid) {
        throw ModelError(name + " is not an ONNX model, or a damaged one: " + invalid.what());
    }
    return model;
}

namespace detail {

// Parses the metadata that matter here. Throws ModelError, which calls the file `name`.
inline std::map<std::string, Json> parse_metadata(const std::map<std::string, std::string>& metadata,
                                                  const std::string& name) {
    std::map<std::string, Json> values;
    for (const char* key : {"names", "anchors", "strides", "imgsz", "task", "dynamic", "size_multiple", "fold"}) {
        const auto entry = metadata.find(key);
        if (entry == metadata.end()) continue;
        try {
            values[key] = JsonReader::read(entry->second);
        } catch (const Invalid&) {
            throw ModelError(name + " has damaged metadata: " + key + " is not JSON");
        }
    }
    return values;
}

// The keys that a task requires and neither the file nor `given` has: "names, anchors".
inline std::string missing(const Task& task, const std::map<std::string, Json>& values, const ModelInfo& given) {
    std::string keys;
    for (const std::string& key : task.required) {
        const bool is_given = (key == "names" && !given.names.empty()) ||
                              (key == "anchors" && !given.anchors.empty()) ||
                              (key == "strides" && !given.strides.empty());
        if (!is_given && !values.count(key)) keys += (keys.empty() ? "" : ", ") + key;
    }
    return keys;
}

}  // namespace detail

// Makes the ModelInfo of a file from its metadata, checking every value. What `given` has of names, anchors
// and strides replaces the file's. With all three, the file needs no metadata: its network then counts as one
// of fixed size, 640 × 640 unless the file says other.
// Throws ModelError, which names the value that is missing or wrong.
inline ModelInfo read_info(const std::map<std::string, std::string>& metadata, const std::filesystem::path& path,
                           const ModelInfo& given = {}) {
    const std::string name = detail::utf8(path);
    std::map<std::string, detail::Json> values = detail::parse_metadata(metadata, name);
    ModelInfo info = given;
    try {
        using Type = detail::Json::Type;
        if (values.count("task")) {
            if (values["task"].type != Type::string) throw detail::Invalid("task must be text");
            info.task = values["task"].string;
        }
        const Task& task = find_task(info.task);
        const std::string missing = detail::missing(task, values, given);
        if (!missing.empty())
            throw ModelError(name + " lacks the metadata " + missing + "; " + detail::how_to_convert +
                             ", or give Detector the options names, anchors and strides");
        if (given.names.empty()) info.names = detail::to_names(values["names"]);
        if (given.anchors.empty() && values.count("anchors")) info.anchors = detail::to_anchors(values["anchors"]);
        if (given.strides.empty() && values.count("strides")) info.strides = detail::to_strides(values["strides"]);
        if (values.count("imgsz")) {
            const auto& sides = detail::to_list(values["imgsz"], "imgsz");
            if (sides.size() != 2) throw detail::Invalid("imgsz must be [height, width]");
            info.imgsz = {detail::to_whole(sides[1], "imgsz"), detail::to_whole(sides[0], "imgsz")};
        }
        if (values.count("dynamic")) {
            if (values["dynamic"].type != Type::boolean) throw detail::Invalid("dynamic must be true or false");
            info.dynamic = values["dynamic"].boolean;
        }
        if (values.count("fold")) info.fold = detail::to_whole(values["fold"], "fold");
        task.check(info);
        info.size_multiple = 1;
        for (const int stride : info.strides) info.size_multiple = std::max(info.size_multiple, stride);
        if (values.count("size_multiple"))
            info.size_multiple = detail::to_whole(values["size_multiple"], "size_multiple");
        detail::check_info(info);
    } catch (const detail::Invalid& invalid) {
        throw ModelError(name + " has unusable metadata: " + invalid.what());
    }
    const auto producer = metadata.find("producer");
    if (producer != metadata.end()) info.producer = producer->second;
    return info;
}

// ------------------------------------------------------------------------------------------------------------- network
//
// The network as OpenCV runs it. What differs between OpenCV's versions is dealt with here.

namespace detail {

inline cv::dnn::Net load_net(const ModelFile& model, const Device& device, const std::string& name) {
    try {
#if CV_VERSION_MAJOR >= 5
        // The new engine runs on the CPU only; the other devices need the classic one. This overload, because in 5.0
        // the one that takes a vector forgets the engine.
        const bool is_cpu = device.name == "cpu";
        cv::dnn::Net net =
            cv::dnn::readNetFromONNX(reinterpret_cast<const char*>(model.buffer.data()), model.buffer.size(),
                                     is_cpu ? cv::dnn::ENGINE_AUTO : cv::dnn::ENGINE_CLASSIC);
        if (is_cpu) return net;
#else
        cv::dnn::Net net = cv::dnn::readNetFromONNX(model.buffer);
#endif
        net.setPreferableBackend(device.backend);
        net.setPreferableTarget(device.target);
        return net;
    } catch (const std::exception& error) {
        throw ModelError("OpenCV " CV_VERSION " cannot load " + name + ": " + reason(error));
    }
}

// The names out0, out1, … if the outputs are called so: OpenCV 4.5.4 lists them as their nodes come.
inline std::vector<cv::String> in_order(const std::vector<cv::String>& found) {
    std::vector<cv::String> named;
    for (std::size_t i = 0; i < found.size(); ++i) named.push_back("out" + std::to_string(i));
    return std::is_permutation(named.begin(), named.end(), found.begin()) ? named : found;
}

inline std::string text_of(const Shape& shape) {
    std::string text;
    for (const int side : shape) text += (text.empty() ? "" : ", ") + std::to_string(side);
    return "(" + text + ")";
}

}  // namespace detail

// A loaded network: call it on a blob to get its raw outputs.
class Network {
public:
    // `path` is for messages only.
    // Throws ModelError if OpenCV cannot load the network, or it hasn't as many outputs as `info` describes.
    Network(const ModelFile& model, const ModelInfo& info, const Device& device, const std::string& path)
        : info_(info), task_(find_task(info.task)), path_(path), net_(detail::load_net(model, device, path)),
          names_(detail::in_order(net_.getUnconnectedOutLayersNames())) {
        const std::size_t expected = task_.output_shapes(info, info.imgsz).size();
        if (names_.size() != expected)
            throw ModelError(path + " has " + std::to_string(names_.size()) + " outputs, but its metadata describe " +
                             std::to_string(expected));
    }

    // Runs forward on what `to_blob` made. The outputs are the network's own, and the next call overwrites them.
    // Throws ModelError if OpenCV fails, or an output has another shape than the ModelInfo asks for.
    const std::vector<cv::Mat>& operator()(const cv::Mat& blob) {
        const cv::Size size(blob.size[3] * info_.fold, blob.size[2] * info_.fold);
        try {
            net_.setInput(blob);
            net_.forward(outputs_, names_);
        } catch (const std::exception& error) {
            throw ModelError("OpenCV cannot run " + path_ + " at " + std::to_string(size.height) + " × " +
                             std::to_string(size.width) + ": " + detail::reason(error));
        }
        check_outputs(size);
        return outputs_;
    }

private:
    void check_outputs(cv::Size size) {
        if (size != size_) {
            shapes_ = task_.output_shapes(info_, size);
            size_ = size;
        }
        for (std::size_t i = 0; i < shapes_.size(); ++i) {
            const cv::Mat& output = outputs_.at(i);
            if (std::equal(shapes_[i].begin(), shapes_[i].end(), output.size.p, output.size.p + output.dims)) continue;
            throw ModelError(path_ + " gives an output of shape " +
                             detail::text_of(Shape(output.size.p, output.size.p + output.dims)) + " where " +
                             std::to_string(info_.names.size()) + " classes and the other metadata make " +
                             detail::text_of(shapes_[i]));
        }
    }

    ModelInfo info_;
    const Task& task_;
    std::string path_;  // as UTF-8
    cv::dnn::Net net_;
    std::vector<cv::String> names_;
    std::vector<cv::Mat> outputs_;

    cv::Size size_;              // of the last input,
    std::vector<Shape> shapes_;  // and what its outputs must be
};

// ----------------------------------------------------------------------------------------------------------------- nms
//
// Non-maximum suppression: of boxes that overlap too much, keep the one with the highest score.

constexpr std::size_t max_nms = 30000;  // only so many of the best candidates are looked at, as in YOLOv5

// Intersection over union of two boxes x1 y1 x2 y2: intersection / (area + area − intersection). It is NaN if
// both are without area.
inline float iou(const cv::Vec4f& a, const cv::Vec4f& b) {
    const float width = std::max(std::min(a[2], b[2]) - std::max(a[0], b[0]), 0.0F);
    const float height = std::max(std::min(a[3], b[3]) - std::max(a[1], b[1]), 0.0F);
    const float intersection = width * height;
    const float area_a = (a[2] - a[0]) * (a[3] - a[1]);
    const float area_b = (b[2] - b[0]) * (b[3] - b[1]);
    return intersection / (area_a + area_b - intersection);
}

// Chooses boxes greedily by score; suppresses those whose IoU with a chosen one is above `iou_thres`. A box
// suppresses others of its own class only, or of all classes if `agnostic`. Equal scores are taken in the order
// given. The IoU of floats is compared with the threshold as a double, as torchvision does it. Writes the indices of
// the chosen ones to `kept`, best first, at most `max_det`.
inline void nms(const Candidates& candidates, double iou_thres, int max_det, bool agnostic, std::vector<int>& kept) {
    const std::vector<cv::Vec4f>& xyxy = candidates.xyxy;
    const std::vector<float>& scores = candidates.scores;
    const std::vector<int>& class_ids = candidates.class_ids;
    kept.resize(candidates.size());
    for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = static_cast<int>(i);
    const auto better = [&scores](int a, int b) {
        const float score_a = scores[static_cast<std::size_t>(a)], score_b = scores[static_cast<std::size_t>(b)];
        return score_a > score_b || (score_a == score_b && a < b);
    };
    const auto considered = kept.begin() + static_cast<std::ptrdiff_t>(std::min(kept.size(), max_nms));
    if (considered != kept.end()) std::nth_element(kept.begin(), considered, kept.end(), better);
    std::sort(kept.begin(), considered, better);

    auto end = kept.begin();  // of the chosen ones, which gather at the front
    for (auto next = kept.begin(); next != considered && end - kept.begin() < max_det; ++next) {
        const auto i = static_cast<std::size_t>(*next);
        const bool suppressed = std::any_of(kept.begin(), end, [&](int chosen) {
            const auto j = static_cast<std::size_t>(chosen);
            return (agnostic || class_ids[j] == class_ids[i]) && static_cast<double>(iou(xyxy[j], xyxy[i])) > iou_thres;
        });
        if (!suppressed) *end++ = *next;
    }
    kept.erase(end, kept.end());
}

// ------------------------------------------------------------------------------------------------------------ detector
//
// The detector: letterbox → network → decode → NMS, on one image after the other.

// What a Detector is asked for; the fields are called as the arguments of Python's.
struct Options {
    std::string device = "cpu";        // one of `available_devices()`
    cv::Size imgsz;                    // size to letterbox to, rounded up to `size_multiple`; empty = the model's own
    double conf_thres = 0.25;          // boxes must score above it, 0 to 1
    double iou_thres = 0.45;           // boxes of one class that overlap more lose the worse one, 0 to 1
    int max_det = 1000;                // the most boxes an image may have
    std::vector<std::string> classes;  // names or numbers of the only classes to look for; empty = all
    bool agnostic_nms = false;         // let boxes of different classes suppress each other, too
    bool multi_label = false;          // give a box every class that scores high enough: what evaluations do
    bool rect = true;                  // pad as little as the network allows; false: always to the full imgsz

    // These replace the model file's; all three serve a file without metadata.
    std::vector<std::string> names;
    std::vector<Anchors> anchors;
    std::vector<int> strides;
};

// Milliseconds that the images of one call spent in each stage.
struct Timings {
    double letterbox = 0;  // with the conversion to float
    double forward = 0;
    double decode = 0;
    double nms = 0;
};

namespace detail {

// What the options say in place of a model file.
inline ModelInfo given_info(const Options& options) {
    ModelInfo given;
    given.names = options.names;
    given.anchors = options.anchors;
    given.strides = options.strides;
    return given;
}

// Gives the options back if they are right. Throws InputError.
inline const Options& checked(const Options& options) {
    const auto share = [](double value, const std::string& name) {
        if (!(value >= 0 && value <= 1))
            throw InputError(name + " must be a number from 0 to 1, not " + std::to_string(value));
    };
    share(options.conf_thres, "conf_thres");
    share(options.iou_thres, "iou_thres");
    if (options.max_det < 1)
        throw InputError("max_det must be a whole number of at least 1, not " + std::to_string(options.max_det));
    return options;
}

// Turns names and numbers of classes into numbers.
inline std::vector<int> class_ids(const std::vector<std::string>& classes, const std::vector<std::string>& names) {
    std::vector<int> ids;
    for (const std::string& each : classes) {
        const std::size_t before = ids.size();
        for (std::size_t i = 0; i < names.size(); ++i)
            if (names[i] == each) ids.push_back(static_cast<int>(i));
        if (ids.size() > before) continue;
        const bool decimal = each.find_first_not_of("0123456789") == std::string::npos;
        if (decimal && !each.empty() && each.size() < 10 && std::stoul(each) < names.size()) {
            ids.push_back(std::stoi(each));
            continue;
        }
        std::string known;
        for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 100); ++i) known += (i ? ", " : "") + names[i];
        throw InputError("there is no class '" + each + "'; the model has 0 to " + std::to_string(names.size() - 1) +
                         ": " + known);
    }
    return ids;
}

// Chooses the size to letterbox to.
inline cv::Size input_size(cv::Size imgsz, const ModelInfo& info, bool free) {
    if (imgsz == cv::Size()) return info.imgsz;
    const auto valid = [](int side) { return side > 0 && side <= max_side; };
    if (!valid(imgsz.width) || !valid(imgsz.height))
        throw InputError("imgsz must be whole numbers from 1 to " + std::to_string(max_side) + ", not " +
                         std::to_string(imgsz.height) + " and " + std::to_string(imgsz.width));
    const cv::Size size(round_up(imgsz.width, info.size_multiple), round_up(imgsz.height, info.size_multiple));
    if (size == info.imgsz || free) return size;
    const auto text = [](cv::Size each, const char* between) {
        return std::to_string(each.height) + between + std::to_string(each.width);
    };
    throw InputError("this model takes " + text(info.imgsz, " × ") + " only, not " + text(size, " × ") +
                     "; convert its checkpoint with --imgsz " + text(size, " ") +
                     ", or with --focus conv for a free size");
}

}  // namespace detail

// A YOLOv5 network, ready to be called on images: letterbox → network → decode → NMS.
//
// A detector may be called from several threads: a lock lets one call through at a time. To use several
// processor cores better than OpenCV does alone, give each thread its own detector.
class Detector {
public:
    // `model` is a file made by `python -m convert`.
    // Throws ModelError for the file, DeviceError for the device, InputError for any other option.
    explicit Detector(const std::filesystem::path& model, const Options& options = {})
        : Detector(read_model(model), model, options) {}

    // What the model file says.
    const ModelInfo& info() const { return info_; }

    // Size in use, to letterbox to.
    cv::Size imgsz() const { return imgsz_; }

    // Runs once on a grey image: the first forward pass prepares the network, which can take long.
    void warmup() { detect(cv::Mat(imgsz_, CV_8UC3, cv::Scalar::all(grey))); }

    // Finds what is in an image: BGR, 8 bits; also grey or BGRA, and 16 bits. Best first. `timings`, if given, is
    // told where the time of this call went.
    // Throws InputError for anything that is not an image, ModelError if the network doesn't fit its metadata.
    std::vector<Detection> detect(const cv::Mat& image, Timings* timings = nullptr) {
        const std::lock_guard<std::mutex> lock(mutex_);
        Timings spent;
        std::vector<Detection> found = run(image, spent);
        if (timings) *timings = spent;
        return found;
    }

    std::vector<Detection> operator()(const cv::Mat& image, Timings* timings = nullptr) {
        return detect(image, timings);
    }

    // The same for each of several images; the timings are sums.
    std::vector<std::vector<Detection>> detect(const std::vector<cv::Mat>& images, Timings* timings = nullptr) {
        const std::lock_guard<std::mutex> lock(mutex_);
        Timings spent;
        std::vector<std::vector<Detection>> found;
        for (const cv::Mat& image : images) found.push_back(run(image, spent));
        if (timings) *timings = spent;
        return found;
    }

private:
    using Clock = std::chrono::steady_clock;

    Detector(const ModelFile& file, const std::filesystem::path& model, const Options& options)
        : options_(detail::checked(options)), info_(read_info(file.metadata, model, detail::given_info(options))),
          layout_(find_task(info_.task).layout(info_)), classes_(detail::class_ids(options.classes, info_.names)),
          imgsz_(detail::input_size(options.imgsz, info_, info_.dynamic || !file.metadata.count("imgsz"))),
          multiple_(info_.dynamic && options.rect ? info_.size_multiple : 0),
          network_(file, info_, find_device(options.device), detail::utf8(model)) {}

    // Runs the four stages and adds to each one's milliseconds.
    std::vector<Detection> run(const cv::Mat& picture, Timings& timings) {
        const Clock::time_point start = Clock::now();
        const cv::Mat image = to_bgr(picture, conversions_);
        prepare_buffers(letterbox_shape(image.size(), imgsz_, multiple_));
        const Placement placement = letterbox(image, imgsz_, multiple_, canvas_);
        to_blob(canvas_, info_.fold, blob_);

        const Clock::time_point letterboxed = Clock::now();
        const std::vector<cv::Mat>& outputs = network_(blob_);

        const Clock::time_point forwarded = Clock::now();
        heads_.clear();
        for (const cv::Mat& output : outputs) heads_.push_back(head_of(output));
        decode(heads_, info_.anchors, info_.strides, layout_, options_.conf_thres, options_.multi_label, candidates_);
        if (!classes_.empty()) keep_wanted_classes();

        const Clock::time_point decoded = Clock::now();
        nms(candidates_, options_.iou_thres, options_.max_det, options_.agnostic_nms, kept_);
        candidates_.select(kept_, chosen_);
        std::vector<Detection> found;
        found.reserve(chosen_.size());
        for (std::size_t i = 0; i < chosen_.size(); ++i) {
            const cv::Vec4f box = unletterbox(chosen_.xyxy[i], placement, image.size());
            found.push_back({chosen_.class_ids[i], chosen_.scores[i],
                             cv::Rect2f(box[0], box[1], box[2] - box[0], box[3] - box[1])});
        }
        const Clock::time_point end = Clock::now();

        const auto ms = [](Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); };
        timings.letterbox += ms(letterboxed - start);
        timings.forward += ms(forwarded - letterboxed);
        timings.decode += ms(decoded - forwarded);
        timings.nms += ms(end - decoded);
        return found;
    }

    void keep_wanted_classes() {
        kept_.clear();
        for (std::size_t i = 0; i < candidates_.size(); ++i)
            if (std::find(classes_.begin(), classes_.end(), candidates_.class_ids[i]) != classes_.end())
                kept_.push_back(static_cast<int>(i));
        candidates_.select(kept_, chosen_);
        std::swap(candidates_, chosen_);
    }

    // Lays canvas and blob of this size over memory that only grows.
    void prepare_buffers(cv::Size size) {
        if (canvas_.size() == size) return;
        const std::size_t pixels = static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height);
        if (blob_memory_.size() < 3 * pixels) {
            canvas_memory_.resize(3 * pixels);
            blob_memory_.resize(3 * pixels);
        }
        const int fold = info_.fold;
        const std::array<int, 4> shape = {1, 3 * fold * fold, size.height / fold, size.width / fold};
        canvas_ = cv::Mat(size, CV_8UC3, canvas_memory_.data());
        blob_ = cv::Mat(4, shape.data(), CV_32F, blob_memory_.data());
    }

    Options options_;
    ModelInfo info_;
    Layout layout_;
    std::vector<int> classes_;  // wanted; empty = all
    cv::Size imgsz_;
    int multiple_;  // of the rectangular letterbox; 0 for the full imgsz

    std::mutex mutex_;  // guards what follows
    Network network_;
    std::array<cv::Mat, 2> conversions_;
    std::vector<unsigned char> canvas_memory_;
    std::vector<float> blob_memory_;
    cv::Mat canvas_, blob_;
    std::vector<Head> heads_;
    Candidates candidates_, chosen_;
    std::vector<int> kept_;
};

// ---------------------------------------------------------------------------------------------------------------- text
//
// Measuring and drawing one line of text. OpenCV 4 has letters for ASCII only.

namespace detail {

// How much room a line of text takes, in pixels: `ascent` above its baseline, `descent` below.
struct Extent {
    int width = 0;
    int ascent = 0;
    int descent = 0;
};

// Replaces what OpenCV cannot draw by question marks: control characters and broken UTF-8, and before OpenCV 5
// every letter that is not ASCII.
inline std::string printable(std::string_view text) {
    constexpr bool ascii_only = CV_VERSION_MAJOR < 5;
    std::string clean;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = character_length(text, at);
        const auto lead = static_cast<unsigned char>(text[at]);
        const bool drawable = length == 1 ? lead >= 0x20 && lead != 0x7F : length > 1 && !ascii_only;
        if (drawable) {
            clean.append(text.substr(at, length));
        } else {
            clean += '?';
        }
        at += std::max<std::size_t>(length, 1);
    }
    return clean;
}

#if CV_VERSION_MAJOR >= 5

inline cv::FontFace& font() {
    thread_local cv::FontFace face("sans");  // keeps drawn letters, without guarding them
    return face;
}

constexpr int font_weight = 500;  // a little bolder than regular

inline Extent measure(const std::string& text, int size) {
    const cv::Rect room = cv::getTextSize(cv::Size(), text, cv::Point(), font(), size, font_weight);
    // The box it gives is as high as the text's letters happen to be; labels should not differ by that.
    return {room.x + room.width, round(size * 0.8), round(size * 0.25)};
}

inline void put_text(cv::Mat& image, const std::string& text, cv::Point origin, int size, const cv::Scalar& colour) {
    // A wrap range wider than any label: by default, text that touches the right edge starts a new line.
    cv::putText(image, text, origin, colour, font(), size, font_weight, cv::PUT_TEXT_ALIGN_LEFT, cv::Range(0, 1 << 20));
}

#else

constexpr double hershey_height = 30;  // pixels from a capital's top to a descender's bottom at scale 1, about

inline int stroke(int size) { return std::max(1, round(size / 14.0)); }

inline Extent measure(const std::string& text, int size) {
    int baseline = 0;
    const cv::Size room =
        cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, size / hershey_height, stroke(size), &baseline);
    return {room.width, room.height, baseline};
}

inline void put_text(cv::Mat& image, const std::string& text, cv::Point origin, int size, const cv::Scalar& colour) {
    cv::putText(image, text, origin, cv::FONT_HERSHEY_SIMPLEX, size / hershey_height, colour, stroke(size),
                cv::LINE_AA);
}

#endif

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------------- draw
//
// Boxes and labels on pictures.

// Gives a class its colour, BGR. Hues step by the golden ratio, which spreads any number of classes evenly; three
// shades take turns, because hues come close to each other after 5, 8, 13, … steps. In HSV: hue =
// (0.57 + 0.618034 · id) mod 1; saturation, value = (0.85, 1), (0.6, 1), (0.9, 0.75) for id mod 3 = 0, 1, 2.
inline cv::Scalar class_colour(int class_id) {
    constexpr std::array<double, 3> saturations = {0.85, 0.6, 0.9}, values = {1.0, 1.0, 0.75};
    const auto shade = static_cast<std::size_t>(class_id % 3);
    const double saturation = saturations[shade], value = values[shade];
    const double hue = std::fmod(0.57 + 0.618034 * class_id, 1.0);
    // Each channel falls off with the hue's distance from its own: the usual HSV to RGB, by channel.
    const auto channel = [&](double offset) {
        const double k = std::fmod(offset + hue * 6, 6.0);
        return detail::round(255 * value * (1 - saturation * std::max(0.0, std::min({k, 4 - k, 1.0}))));
    };
    return cv::Scalar(channel(1), channel(3), channel(5));
}

// Black or white, whichever reads better: black on colours with more than half of white's luma (BT.601).
inline cv::Scalar text_colour(const cv::Scalar& background) {
    const double luma = 0.299 * background[2] + 0.587 * background[1] + 0.114 * background[0];
    return cv::Scalar::all(luma > 127.5 ? 0 : 255);
}

// Width of the boxes' lines in pixels: a 300th of the mean of height and width, at least 2.
inline int line_width(cv::Size image) { return std::max(2, detail::round((image.width + image.height) / 2.0 / 300)); }

// Height of the labels' letters in pixels: a 50th of the mean of height and width, at least 12.
inline int text_size(cv::Size image) { return std::max(12, detail::round((image.width + image.height) / 2.0 / 50)); }

namespace detail {

// Draws a filled label whose lower left corner is the box's upper left one, room permitting.
inline void draw_label(cv::Mat& canvas, std::string label, cv::Point corner, const cv::Scalar& colour, int line) {
    int size = text_size(canvas.size());
    const int pad = std::max(2, size / 5);
    Extent extent = measure(label, size);
    while (size > 8 && extent.width + 2 * pad > canvas.cols) extent = measure(label, --size);
    while (!label.empty() && extent.width + 2 * pad > canvas.cols) {
        while ((static_cast<unsigned char>(label.back()) & 0xC0) == 0x80) label.pop_back();  // to a letter's first byte
        label.pop_back();
        extent = measure(label, size);
    }
    const int width = extent.width + 2 * pad, height = extent.ascent + extent.descent + pad;
    if (label.empty() || height > canvas.rows) return;
    const int left = std::min(std::max(corner.x - line / 2, 0), canvas.cols - width);
    int top = corner.y - line / 2 - height;
    if (top < 0) top = std::min(std::max(corner.y, 0), canvas.rows - height);  // no room above the box
    cv::rectangle(canvas, cv::Rect(left, top, width, height), colour, cv::FILLED);
    put_text(canvas, label, {left + pad, top + pad / 2 + extent.ascent}, size, text_colour(colour));
}

}  // namespace detail

// Draws boxes and labels (name and score) on a copy of an image: 8 or 16 bits, grey, BGR or BGRA. A label sits on
// top of its box, or inside where there is no room, and never leaves the image: it is made smaller, and at last
// cut, to fit. The best detections are drawn last, over the others. OpenCV 4 has letters for ASCII only.
// Returns 8 bits, BGR.
inline cv::Mat draw(const cv::Mat& image, const std::vector<Detection>& detections,
                    const std::vector<std::string>& names) {
    std::array<cv::Mat, 2> buffers;
    cv::Mat canvas = to_bgr(image, buffers);
    if (canvas.data == image.data) canvas = canvas.clone();
    const int line = line_width(canvas.size());
    const auto rounded = [](cv::Point2f point) { return cv::Point(detail::round(point.x), detail::round(point.y)); };
    for (auto found = detections.rbegin(); found != detections.rend(); ++found)
        cv::rectangle(canvas, rounded(found->box.tl()), rounded(found->box.br()), class_colour(found->class_id), line);
    for (auto found = detections.rbegin(); found != detections.rend(); ++found) {  // so that no line crosses a label
        std::ostringstream label;
        label.imbue(std::locale::classic());
        label.precision(2);
        label << names.at(static_cast<std::size_t>(found->class_id)) << ' ' << std::fixed << found->score;
        detail::draw_label(canvas, detail::printable(label.str()), rounded(found->box.tl()),
                           class_colour(found->class_id), line);
    }
    return canvas;
}

}  // namespace yolov5_dnn

#endif  // YOLOV5_DNN_HPP
