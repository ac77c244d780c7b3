// SPDX-License-Identifier: Apache-2.0
//
// YOLOv5 with OpenCV alone:
//
//     yolov5_dnn::Detector detector("model.onnx");
//     for (const auto& found : detector.detect(cv::imread("bus.jpg")))
//         std::cout << detector.info().names[found.class_id] << ' ' << found.score << ' ' << found.box << '\n';
//
// A Segmenter's detections have masks, those of a face model keypoints; a Classifier tells what a whole picture shows:
//
//     yolov5_dnn::Classifier classifier("model-cls.onnx");
//     for (const auto& guess : classifier.classify(cv::imread("apple.jpg")).top(3))
//         std::cout << classifier.info().names[guess.class_id] << ' ' << guess.probability << '\n';
//
// Model files come from `python -m convert CHECKPOINT.pt`. What it does not do: read pictures and videos (that is
// OpenCV's business), read checkpoints, train.
//
// Functions have the names and the arithmetic of the Python package `runtime`, file for file. What is large is written
// into a variable of the caller's, which is only reallocated when it has to grow: from the second image of a size on,
// detection allocates nothing but the result. Anything refused is a DetectorError. What is in `detail` may change.
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
    std::string device = "cpu";  // one of `available_devices()`
    cv::Size imgsz;              // size to letterbox to, rounded up to `size_multiple`; empty = the model's own
    // Boxes must score above conf_thres, 0 to 1; of boxes of one class that overlap more than iou_thres, 0 to 1, the
    // worse ones are lost. By default what is usual for the model's task: 0.25 and 0.45, 0.6 and 0.5 for keypoints, and
    // 0.7 for the overlap of models without anchors.
    std::optional<double> conf_thres, iou_thres;
    int max_det = 1000;                // the most boxes an image may have
    std::vector<std::string> classes;  // names or numbers of the only classes to look for; empty = all
    bool agnostic_nms = false;         // let boxes of different classes suppress each other, too
    bool multi_label = false;          // give a box every class that scores high enough: what evaluations do
    bool rect = true;                  // pad as little as the network allows; false: always to the full imgsz
    // Look at the whole image and also at overlapping tiles of so many pixels a side: for objects that would be too small
    // for the network if a large image were scaled down to its input. The model's input size is a good choice; a forward
    // pass for each tile is the price.
    std::optional<int> tiles;

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

// A YOLOv5 network that finds boxes, ready to be called on images: letterbox → network → decode → NMS. Models for
// segmentation give each Detection a mask, those for faces keypoints.
//
// A detector may be called from several threads: a lock lets one call through at a time. To use several
// processor cores better than OpenCV does alone, give each thread its own detector.
class Detector {
public:
    // `model` is a file made by `python -m convert`.
    // Throws ModelError for the file, DeviceError for the device, InputError for any other option.
    explicit Detector(const std::filesystem::path& model, const Options& options = {});

    // The same of a file that `read_model` gave, which is not read again; it need not outlive the detector.
    explicit Detector(const ModelFile& file, const Options& options = {});

    // What the model file says.
    const ModelInfo& info() const;

    // Size in use, to letterbox to.
    cv::Size imgsz() const;

    // Runs once on a grey image: the first forward pass prepares the network, which can take long.
    void warmup();

    // Finds what is in an image: BGR, 8 bits; also grey or BGRA, and 16 bits; for a model of one channel, too, which gets
    // it in grey. For a model of another number of channels, `info().channels`, an image of so many, as they are. Best
    // first. `timings`, if given, is told where the time of this call went.
    // Throws InputError for anything that is not an image, ModelError if the network doesn't fit its metadata, or what
    // it says is not a number.
    std::vector<Detection> detect(const cv::Mat& image, Timings* timings = nullptr);

    std::vector<Detection> operator()(const cv::Mat& image, Timings* timings = nullptr);

    // The same for each of several images; the timings are sums.
    std::vector<std::vector<Detection>> detect(const std::vector<cv::Mat>& images, Timings* timings = nullptr);
};

// ----------------------------------------------------------------------------------------------------------- segmenter

// A Detector whose model gives masks: each Detection has one. It differs in one respect: it refuses every other model.
class Segmenter : public Detector {
public:
    // Throws what Detector's throws, and ModelError for a model that gives no masks.
    explicit Segmenter(const std::filesystem::path& model, const Options& options = {});
    explicit Segmenter(const ModelFile& file, const Options& options = {});
};

// ---------------------------------------------------------------------------------------------------------- classifier

// What a Classifier is asked for; the fields are called as the arguments of Python's.
struct ClassifierOptions {
    std::string device = "cpu";  // one of `available_devices()`
    // Side of the square that the image's middle is scaled to, 0 for the model's own. Only a model of free input size
    // takes another, rounded up to a multiple of its size_multiple.
    int imgsz = 0;
    // How images are cut, "square" or "shorter-side", see `to_classifier_blob`; empty: as the model file says, which is
    // as YOLOv5 v7.0 cuts them, also for networks that v6.2 trained: a checkpoint does not tell the two apart.
    std::string crop;
};

// A YOLOv5 classifier, ready to be called on images. It may be called from several threads: a lock lets one call
// through at a time.
class Classifier {
public:
    // `model` is a file made by `python -m convert`.
    // Throws ModelError for the file, DeviceError for the device, InputError for any other option.
    explicit Classifier(const std::filesystem::path& model, const ClassifierOptions& options = {});

    // The same of a file that `read_model` gave, which is not read again; it need not outlive the classifier.
    explicit Classifier(const ModelFile& file, const ClassifierOptions& options = {})
        : info_(read_classifier(file)), crop_(options.crop.empty() ? info_.crop : options.crop),
          imgsz_(side(options.imgsz, info_)),
          network_((file.check_input(info_.input_shape({imgsz_, imgsz_})), file), info_, find_device(options.device));

    // What the model file says.
    const ModelInfo& info() const;

    // How images are cut.
    const std::string& crop() const;

    // Side of the square in use.
    int imgsz() const;

    // Runs once on a grey image: the first forward pass prepares the network, which can take long.
    void warmup();

    // Tells how probable each class is for an image: BGR, 8 bits; also grey or BGRA, and 16 bits.
    // Throws InputError for anything that is not an image, ModelError if the network doesn't fit its metadata or its
    // output is not a number.
    Classification classify(const cv::Mat& picture);

    Classification operator()(const cv::Mat& image);
};

// ---------------------------------------------------------------------------------------------------------- detections

// One object that was found.
struct Detection {
    int class_id = 0;
    float score = 0;                          // objectness × class probability, 0 to 1
    cv::Rect2f box;                           // in the image's pixels, within the image
    Mask mask = {};                           // empty where the model gives none
    std::vector<cv::Point2f> keypoints = {};  // in the image's pixels, within it; none where the model gives none
};

// --------------------------------------------------------------------------------------------------------------- masks

// Where a mask may be: `pixels`, 8 bits, from `corner` on, 255 for what belongs to it and 0 for the rest. Everything
// else is outside it.
struct Bitmap {
    cv::Point corner;
    cv::Mat pixels;
};

// Computes the mask of a box on the canvas. `prototypes` are float (nm, mh, mw); there are nm `coefficients`; `xyxy` is
// in pixels of the canvas, neither clipped nor rounded.
Bitmap make_bitmap(const Head& prototypes, const float* coefficients, const cv::Vec4f& xyxy, cv::Size canvas);

// The mask of one object: what of the image belongs to it.
struct Mask {
    Bitmap bitmap;        // on the canvas
    Placement placement;  // of the image there
    cv::Size image;       // its size; empty where the model gives no masks

    // Whether there is none, because the model gives none.
    bool empty() const;

    // The part of the image that holds the mask; the rest is outside it. It has no pixels if the mask has none.
    Bitmap window() const;

    // All of the image's pixels: 8 bits, 255 for those that belong to it and 0 for the rest.
    cv::Mat pixels() const;
};

// ----------------------------------------------------------------------------------------------------------------- rle

// Writes a mask as COCO's compressed RLE, the text called `counts` beside `size`, [height, width]. `window` is a part
// of an image of this size; all else is 0.
std::string encode_rle(const Bitmap& window, cv::Size image);

// ------------------------------------------------------------------------------------------------------ classification

// One class of an image, and how probable it is, 0 to 1.
struct Guess {
    int class_id = 0;
    float probability = 0;
};

// The probabilities of one image's classes, by class id; they add up to 1.
struct Classification {
    std::vector<float> probabilities;

    // The k most probable classes, best first; of equals, the lower number first.
    std::vector<Guess> top(std::size_t k = 5) const;
};

// Computes probabilities from logits, of which there is at least one: eˣ / Σ eˣ, without overflow.
std::vector<float> softmax(std::vector<float> logits);

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

constexpr double mask_opacity = 0.4;

// Five points, as yolov5-face orders them: eyes, nose, corners of the mouth. Left is blue, right orange.
const std::array<cv::Scalar, 5>& five_points();

// What is drawn, and how.
struct DrawOptions {
    int line_thickness = 0;    // of the boxes, in pixels; 0: `line_width` of the image
    bool hide_labels = false;  // draw no labels
    bool hide_conf = false;    // write no scores on them
};

// Draws masks, boxes, keypoints and labels (name and score) on a copy of an image: 8 or 16 bits, grey, BGR or BGRA. The
// first detections, which should be the best, are drawn last, over the others. Boxes, contours and points have a rim in
// black or white, so that they stand off any background. Labels go where `place_labels` finds room; they are made
// smaller, and at last cut, to fit into the image, and where there is no room left, the box alone tells the class, by
// its colour. OpenCV 4 has letters for ASCII only.
// Returns 8 bits, BGR.
cv::Mat draw(const cv::Mat& image, const std::vector<Detection>& detections,
             const std::vector<std::string>& names, const DrawOptions& options = {});

// Writes classes and how probable they are, one below the other, into the upper left corner of a copy of an image, the
// most probable first; those for which there is no room are left out. Returns 8 bits, BGR.
cv::Mat draw_classes(const cv::Mat& image, const std::vector<Guess>& guesses,
                     const std::vector<std::string>& names);

// -------------------------------------------------------------------------------------------------------------- labels

// Finds a place for the label of each box. `boxes` are x1 y1 x2 y2 in whole pixels, in the order in which labels
// choose; `sizes` those of each one's label. A label is tried above its box, below it, within its upper and its lower
// edge, at the box's left, its right and its middle, and beside it, moved into the image where its box reaches out of
// it. Of the places that lie in the image and meet no label placed before, it takes the one that hides least of all
// boxes, counted in shares of each box; of equals, the first.
// Gives the upper left corner of each label, or nothing where every place is taken.
std::vector<std::optional<cv::Point>> place_labels(const std::vector<cv::Vec4i>& boxes,
                                                   const std::vector<cv::Size>& sizes, cv::Size image);

// -------------------------------------------------------------------------------------------------------------- errors

// Anything this header refuses to do; what() is one sentence fit for a terminal. What others wrote and the sentence
// quotes, such as names, comes out as `escape` shows it.
class DetectorError : public std::runtime_error {
public:
    explicit DetectorError(const std::string& text);
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

// -------------------------------------------------------------------------------------------------------------- escape

// Writes control characters, line breaks and invisible letters as escapes such as \x1b, and broken UTF-8 as �. Of a
// longer text than `most` characters the first ones stay, and "…" says so.
std::string escape(std::string_view text, std::size_t most = detail::most_escaped);

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

struct Task;  // see tasks.hpp

struct ModelInfo {
    std::vector<std::string> names;  // of the classes, by class id, UTF-8
    std::vector<int> strides;        // by head map, in pixels
    std::vector<Anchors> anchors;    // by head map
    cv::Size imgsz{640, 640};        // size the network was converted for
    std::string task = "detect";     // the name of one of `tasks()`
    const Task* head = nullptr;      // that one, once `read_info` has looked it up
    bool dynamic = false;            // may the input have another size, divisible by `size_multiple`?
    int size_multiple = 0;           // what height and width of the input must be divisible by
    int fold = 1;                    // side of the squares of pixels that the input holds as channels, see `to_blob`
    int channels = 3;                // of the input: 3, R G B; 1, grey; others are taken as they are given
    std::string producer;            // the program that wrote the file, and its version

    // The shape (N, C, H, W) of the network's input for an image of this size in pixels.
    std::vector<std::int64_t> input_shape(cv::Size size) const;

    // The overlap at which models of this kind are cut off, if nobody says other.
    double usual_iou_thres(double of_task) const;

    // What only some tasks have.
    std::string decoded;                          // the layout of boxes that the network decodes itself
    int input_scale = 1;                          // what its pixels, 0 to 1, are multiplied by
    int reg_max = 0;                              // bins of each distance, of a network without anchors
    int masks = 0;                                // mask coefficients of each box
    int keypoints = 0;                            // of each box
    std::string crop;                             // what a classifier is shown, see `to_classifier_blob`,
    cv::Vec3f mean{0, 0, 0}, deviation{1, 1, 1};  // and how its colours are normalised: R, G, B
};

// ----------------------------------------------------------------------------------------------------------- read_info

// Makes the ModelInfo of a file from its metadata, checking every value. What `given` has of names, anchors
// and strides replaces the file's. With all three, the file needs no metadata: its network then counts as one
// of fixed size, 640 × 640 unless the file says other.
// Throws ModelError, which names the value that is missing or wrong.
ModelInfo read_info(const std::map<std::string, std::string>& metadata, const std::filesystem::path& path,
                    const ModelInfo& given = {});

// ---------------------------------------------------------------------------------------------------------------- file

// A model file that was read and checked, once; Detector and Classifier take it in place of a path. Several may share
// one, and nobody writes to it.
struct ModelFile {
    std::filesystem::path path;                   // where it was read; it is not read again
    std::vector<unsigned char> buffer;            // its bytes, in the form for OpenCV: Swish nodes lose their domain
    std::map<std::string, std::string> metadata;  // its metadata_props by key; `producer` is the program that wrote it
    detail::Graph graph;
    std::map<detail::Sides, std::vector<detail::Sides>> outputs;  // shapes by the input's, of those that it states

    // Checks that the network may run on an input of this shape, (N, C, H, W). Gives the shapes of the outputs.
    // Throws ModelError if the values in between would take too much memory or time, or do not fit one another.
    std::vector<detail::Sides> check_input(const detail::Sides& shape) const;
};

// Reads an ONNX file and checks all that runtime/model/graph.py promises of it.
// Throws ModelError if there is no such file or it isn't an ONNX model.
ModelFile read_model(const std::filesystem::path& path);

// ----------------------------------------------------------------------------------------------------------- letterbox

constexpr unsigned char grey = 114;  // of the padding, in every channel

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

// Brings an image into the form for a network that takes so many channels: 8 bits, `channels`. For 3 it is `to_bgr`, and
// for 1 its result as grey, by OpenCV's COLOR_BGR2GRAY. For any other number the image must have as many channels, of 8
// or 16 bits, which are taken in their order. `buffers` are as for `to_bgr`. Throws InputError for anything else.
cv::Mat to_channels(const cv::Mat& image, int channels, std::array<cv::Mat, 2>& buffers);

// Size of the canvas for an image. With `multiple` 0 it is `imgsz`. Else each side is the smallest multiple of it (a
// network's size_multiple) that holds the image once it has been scaled to fit into `imgsz`.
cv::Size letterbox_shape(cv::Size image, cv::Size imgsz, int multiple = 0);

// Scales an image of 8 bits into `imgsz`, keeping its aspect ratio, and centres it on the grey `canvas`, which gets its
// channels and the size that `letterbox_shape` says.
Placement letterbox(const cv::Mat& image, cv::Size imgsz, int multiple, cv::Mat& canvas);

// Moves a box, x1 y1 x2 y2, from canvas pixels to image pixels and clips it to the image.
cv::Vec4f unletterbox(const cv::Vec4f& xyxy, const Placement& placement, cv::Size image);

// Turns a BGR canvas, 8 bits (H, W), into the network's input: float (1, 3, H, W), RGB, 0 to 1. With fold f it is
// (1, 3f², H/f, W/f): each square of f × f pixels becomes one, the pixel in its column dx and row dy the channels
// 3(f · dx + dy) to 3(f · dx + dy) + 2. That is the order of YOLOv5's Focus layer. f must divide H and W.
// A canvas of another number of channels c becomes (1, c, H, W) in the order of its channels; it is never folded.
void to_blob(const cv::Mat& canvas, int fold, cv::Mat& blob);

// ---------------------------------------------------------------------------------------------------------------- crop

// Cuts the largest square from the middle of a BGR image, 8 bits, and scales it to size × size.
cv::Mat crop_square(const cv::Mat& image, int size);

// Scales a BGR image, 8 bits, so that its shorter side is `size`, and cuts the middle square: float, 0 to 1, because
// v6.2 scales floats, which are not rounded afterwards. What is cut off, which can be a thousand times as much, is never
// computed.
cv::Mat crop_shorter_side(const cv::Mat& image, int size);

// Turns a BGR image, 8 bits, into a classifier's input: float (1, 3, size, size), RGB. `crop` is "square" or
// "shorter-side"; each colour, 0 to 1, is normalised by its mean and standard deviation, in the order R, G, B.
void to_classifier_blob(const cv::Mat& image, int size, const std::string& crop, const cv::Vec3f& mean,
                        const cv::Vec3f& deviation, cv::Mat& blob);

// ------------------------------------------------------------------------------------------------------------- network

// A loaded network: call it on a blob to get its raw outputs.
class Network {
public:
    // `info` comes from `read_info`.
    // Throws ModelError if OpenCV cannot load the network, or it hasn't as many outputs as `info` describes.
    Network(const ModelFile& model, const ModelInfo& info, const Device& device);

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

// One anchor of one cell that is worth decoding.
struct Picked {
    const float* first;    // of its outputs, as a Layout names them
    std::ptrdiff_t plane;  // so many floats further lies the next one
    cv::Point2f cell;      // column and row
    cv::Size2f anchor;     // in pixels
    float stride;          // of its head

    float operator[](int k) const;
};

// Finds the candidates of one image whose score is above `conf_thres`, in the order head, anchor, row, column,
// class. `anchors` and `strides` go by head. A candidate counts if its objectness and its score both are above
// `conf_thres`; it is given its best class (the first of equals), or with `multi_label` every class that is above.
// decode_extra(picked, extra) writes its extra values, as many as the layout has.
// Throws ModelError if the heads don't fit the anchors or the layout, or an objectness is not a number, as when 16-bit
// arithmetic overflowed.
template <typename DecodeExtra>
void decode(const std::vector<Head>& heads, const std::vector<Anchors>& anchors, const std::vector<int>& strides,
            const Layout& layout, double conf_thres, bool multi_label, Candidates& found,
            const DecodeExtra& decode_extra);

// The same; the extra values are the outputs as they come.
void decode(const std::vector<Head>& heads, const std::vector<Anchors>& anchors, const std::vector<int>& strides,
            const Layout& layout, double conf_thres, bool multi_label, Candidates& found);

// ------------------------------------------------------------------------------------------------------------- decoded

// Chooses the boxes that score above `conf_thres`, in the order of the output, and writes them to `found`. With
// `objectness` a box is a row of the output, a head of one column: centre x, centre y, width and height in pixels of the
// network's input, objectness and classes as probabilities. Without, it is a column, and has no objectness. A box is given
// its best class, or with `multi_label` every class that scores high enough.
// Throws ModelError if a score or a chosen box is not a number.
void decode_decoded(const Head& head, bool objectness, double conf_thres, bool multi_label, Candidates& found);

// The same of what NMS leaves, or of a network that needs none: a box is a row of its corners, its score and its class.
// Throws ModelError if a number is not one, or a class is none of those that there are.
void decode_final(const Head& head, int classes, double conf_thres, Candidates& found);

// --------------------------------------------------------------------------------------------------------- anchor_free

// The box of one candidate, x1 y1 x2 y2 in pixels of the network's input. `bins` are the logits of the left, top, right
// and bottom distance, `reg_max` each; one lies `plane` floats behind the other.
cv::Vec4f decode_distances(const float* bins, std::ptrdiff_t plane, int reg_max, cv::Point2f cell,
                           float stride);

// Finds the candidates of one image whose score is above `conf_thres`, in the order head, row, column, class. A head
// has 4 · reg_max channels for the distances, then the classes; `strides` go by head. A candidate is given its best
// class (the first of equals), or with `multi_label` every class that is above. There is nothing extra.
// Throws ModelError if a head has no classes, or a class logit is not a number, as when 16-bit arithmetic overflowed.
void decode_anchor_free(const std::vector<Head>& heads, const std::vector<int>& strides, int reg_max,
                        double conf_thres, bool multi_label, Candidates& found);

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

// --------------------------------------------------------------------------------------------------------------- tiles

constexpr int min_tile = 32;           // pixels
constexpr double tile_overlap = 0.25;  // of a tile's side that its neighbour shows, too, at least

// A part of an image, in pixels.
struct Window {
    int left = 0, top = 0, right = 0, bottom = 0;
};

// Lays tiles of `side` × `side` pixels, at least `min_tile`, over an image, evenly, as few as overlap by `tile_overlap`.
// Gives the whole image first, then the tiles row by row; for an image no larger than a tile, only itself.
std::vector<Window> tile_windows(cv::Size image, int side);

// Makes one answer of what was found in each window, each in its own window's pixels.
//
// Whole boxes compete as in `nms`. A piece, cut off by a tile's edge, that shows the same as a whole box of its class in
// what both their windows see, gives way to it; pieces that show the same become one box around all of them, with the
// best one's score. (With `agnostic`, of any class.) A mask becomes the union of its pieces; keypoints are those of the
// best piece.
//
// Gives detections in the image's pixels, best first, at most `max_det`. Throws InputError if there are not as many
// parts as windows.
std::vector<Detection> merge_windows(const std::vector<std::vector<Detection>>& parts,
                                     const std::vector<Window>& windows, cv::Size image, double iou_thres,
                                     int max_det, bool agnostic = false);

// --------------------------------------------------------------------------------------------------------------- tasks

using Shape = std::vector<int>;  // of an array, the slowest dimension first; −1 is a side of the network's own choice

struct Output {
    std::string name;
    Shape shape;
};

struct Task {
    std::string name;                   // as the metadata say it
    std::vector<std::string> required;  // keys that the metadata must have
    std::string user;                   // what runs such a model, for messages
    // Where such networks are usually cut off, if nobody says other.
    double conf_thres;
    double iou_thres;
    // Looks at the values of those keys together. Throws detail::Invalid.
    void (*check)(const ModelInfo& info);
    // The network's outputs, in order, for an input of this size: a head map for each stride, then what else there is.
    std::vector<Output> (*outputs)(const ModelInfo& info, cv::Size size);
    // Finds the candidates in the head maps. A task that finds none, but answers for the whole image, has no `decode`.
    void (*decode)(const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
                   Candidates& found);
    // Brings what is extra of the candidates that were kept to the image, and adds it to their detections. A task that
    // has nothing extra has no `complete`.
    void (*complete)(const ModelInfo& info, const Candidates& kept, const std::vector<cv::Mat>& outputs,
                     const Placement& placement, cv::Size image, std::vector<Detection>& found);
};

// Several kinds of network may share a name: of these the first one whose metadata is there is taken.
const std::vector<Task>& tasks();

// Looks a task up by the metadata's `task`; has(key) tells which metadata there is.
// Throws detail::Invalid for a task that is not in the table.
const Task& find_task(const std::string& name, const std::function<bool(const std::string&)>& has);
*/

#ifndef YOLOV5_DNN_HPP
#define YOLOV5_DNN_HPP

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <iterator>
#include <limits>
#include <locale>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/core/utility.hpp>
#include <opencv2/dnn.hpp>
#include <opencv2/imgproc.hpp>

#if defined(__GLIBC__) && CV_VERSION_MAJOR >= 5
#include <malloc.h>
#endif

namespace yolov5_dnn {

// ------------------------------------------------------------------------------------------------------------- unicode
//
// UTF-8: the names of files, and how long a character is.

namespace detail {

// A file's name as UTF-8, for messages.
inline std::string utf8(const std::filesystem::path& path) {
    const auto text = path.u8string();  // made of char8_t from C++20 on
    return std::string(text.begin(), text.end());
}

// Appends a character by its code point.
inline void append_utf8(std::string& text, unsigned code) {
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

// -------------------------------------------------------------------------------------------------------------- escape
//
// Text that others wrote, made fit to be shown: class names, file names, OpenCV's own messages.

namespace detail {

constexpr std::size_t most_escaped = 200;  // characters of one text in a message

// Control characters, with line breaks and the escape that starts a terminal's commands; what turns the direction of
// writing; other invisible letters. The joiners U+200C and U+200D stay: Persian and emoji need them.
inline bool is_hidden(unsigned code) {
    constexpr unsigned ranges[][2] = {{0x00, 0x1F},      {0x7F, 0x9F},     {0xAD, 0xAD},     {0x61C, 0x61C},
                                      {0x180E, 0x180E},  {0x200B, 0x200B}, {0x200E, 0x200F}, {0x2028, 0x202E},
                                      {0x2060, 0x206F},  {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xFFFE, 0xFFFF},
                                      {0xE0000, 0xE007F}};
    for (const auto& range : ranges)
        if (code >= range[0] && code <= range[1]) return true;
    return false;
}

// The code of the UTF-8 character that text[at] begins, of which `character_length` has told the length.
inline unsigned character_code(std::string_view text, std::size_t at, std::size_t length) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[at + i])); };
    if (length == 1) return byte(0);
    unsigned code = byte(0) & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) code = code << 6 | (byte(i) & 0x3F);
    return code;
}

}  // namespace detail

// Writes control characters, line breaks and invisible letters as escapes such as \x1b, and broken UTF-8 as �. Of a
// longer text than `most` characters the first ones stay, and "…" says so.
inline std::string escape(std::string_view text, std::size_t most = detail::most_escaped) {
    std::string shown;
    std::size_t characters = 0, before_last = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (++characters > most) return shown.substr(0, before_last) + "…";
        before_last = shown.size();
        const std::size_t length = detail::character_length(text, at);
        const unsigned code = length ? detail::character_code(text, at, length) : 0xFFFD;
        if (detail::is_hidden(code)) {
            char escaped[16];
            const char* const format = code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x";
            std::snprintf(escaped, sizeof escaped, format, code);
            shown += code == '\t' ? "\\t" : code == '\n' ? "\\n" : code == '\r' ? "\\r" : escaped;
        } else {
            shown += length ? std::string(text.substr(at, length)) : "�";
        }
        at += length ? length : 1;
    }
    return shown;
}

// -------------------------------------------------------------------------------------------------------------- errors
//
// What goes wrong, and how it is said.

// Anything this header refuses to do; what() is one sentence fit for a terminal. What others wrote and the sentence
// quotes, such as names, comes out as `escape` shows it.
class DetectorError : public std::runtime_error {
public:
    explicit DetectorError(const std::string& text) : std::runtime_error(escape(text, 1500)) {}
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

constexpr const char* not_finite = "the network's output is not a number: on a 16-bit device, try the 32-bit one";

// What is wrong with some bytes or values; becomes a ModelError where the file's name is known.
class Invalid : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The telling part of an OpenCV error, which comes with paths and line numbers of its own source.
inline std::string reason(const std::exception& error) {
    const auto* const from_opencv = dynamic_cast<const cv::Exception*>(&error);
    const std::string text = from_opencv && !from_opencv->err.empty() ? from_opencv->err : error.what();
    return escape(text.substr(0, text.find('\n')));
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
    if (blob.dims < 3 || blob.dims > 4 || blob.type() != CV_32F || !blob.isContinuous() || image < 0 ||
        image >= blob.size[0])
        throw ModelError("a head must be a float map of shape (N, channels, ny, nx)");
    if (blob.dims == 3) return {blob.ptr<float>(image), blob.size[1], 1, blob.size[2]};
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

// One anchor of one cell that is worth decoding.
struct Picked {
    const float* first;    // of its outputs, as a Layout names them
    std::ptrdiff_t plane;  // so many floats further lies the next one
    cv::Point2f cell;      // column and row
    cv::Size2f anchor;     // in pixels
    float stride;          // of its head

    float operator[](int k) const { return first[k * plane]; }
};

namespace detail {

// Calls visit(picked) for each anchor and cell of a head whose objectness logit is above a threshold. Only the
// objectness planes are read in full.
// Throws ModelError if the head doesn't have `size` channels for each anchor, or an objectness is not a number.
template <typename Visit>
void above(const Head& head, const Anchors& anchors, float stride, int size, float threshold, const Visit& visit) {
    if (anchors.empty() || head.channels != static_cast<int>(anchors.size()) * size)
        throw ModelError("a head of " + std::to_string(head.channels) + " channels does not fit " +
                         std::to_string(anchors.size()) + " anchors with " + std::to_string(size) + " channels each");
    const auto plane = static_cast<std::ptrdiff_t>(head.ny) * head.nx;
    for (std::size_t anchor = 0; anchor < anchors.size(); ++anchor) {
        const float* const planes = head.data + static_cast<std::ptrdiff_t>(anchor) * size * plane;
        const float* const objectness = planes + 4 * plane;
        for (std::ptrdiff_t i = 0; i < plane; ++i) {
            if (objectness[i] <= threshold) continue;
            if (std::isnan(objectness[i])) throw ModelError(not_finite);
            const cv::Point2f cell(static_cast<float>(i % head.nx), static_cast<float>(i / head.nx));
            visit(Picked{planes + i, plane, cell, anchors[anchor], stride});
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
// decode_extra(picked, extra) writes its extra values, as many as the layout has.
// Throws ModelError if the heads don't fit the anchors or the layout, or an objectness is not a number, as when 16-bit
// arithmetic overflowed.
template <typename DecodeExtra>
void decode(const std::vector<Head>& heads, const std::vector<Anchors>& anchors, const std::vector<int>& strides,
            const Layout& layout, double conf_thres, bool multi_label, Candidates& found,
            const DecodeExtra& decode_extra) {
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
        const auto visit = [&](const Picked& t) {
            const float objectness = sigmoid(t[4]);
            cv::Vec4f box;  // decoded once, if at all
            bool decoded = false;
            const auto keep = [&](int output, float score) {
                if (!(score > score_thres)) return;
                if (!decoded) box = decode_boxes({t[0], t[1], t[2], t[3]}, t.cell, t.anchor, t.stride);
                decoded = true;
                found.xyxy.push_back(box);
                found.scores.push_back(score);
                found.class_ids.push_back(output - layout.classes.start);
                found.extra.resize(found.extra.size() + found.extra_width);
                if (found.extra_width) decode_extra(t, &found.extra[found.extra.size() - found.extra_width]);
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
        detail::above(heads[i], anchors[i], static_cast<float>(strides[i]), size, objectness_thres, visit);
    }
}

// The same; the extra values are the outputs as they come.
inline void decode(const std::vector<Head>& heads, const std::vector<Anchors>& anchors, const std::vector<int>& strides,
                   const Layout& layout, double conf_thres, bool multi_label, Candidates& found) {
    decode(heads, anchors, strides, layout, conf_thres, multi_label, found, [&](const Picked& picked, float* extra) {
        for (int k = layout.extra.start; k < layout.extra.end; ++k) *extra++ = picked[k];
    });
}

// ----------------------------------------------------------------------------------------------------------- letterbox
//
// From an image of any size to the network's input, and back again for boxes. The arithmetic, rounding
// included, is YOLOv5's, so that boxes agree with PyTorch's:
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (letterbox) and
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/general.py (scale_boxes).

constexpr unsigned char grey = 114;  // of the padding, in every channel

// Where an image lies on its canvas: canvas = image · scale + pad, for x and y alike. The pads are not rounded
// to whole pixels, although the picture itself is: that is how YOLOv5 maps boxes back.
struct Placement {
    double scale = 1;
    double pad_x = 0;
    double pad_y = 0;
};

namespace detail {

// Makes 16 bits 8 by leaving out the low byte; gives an image of 8 bits back itself. Throws InputError for other ones.
inline cv::Mat to_bytes(const cv::Mat& image, cv::Mat& buffer) {
    if (image.depth() == CV_8U) return image;
    if (image.depth() != CV_16U)
        throw InputError("an image must hold 8 or 16 bits without sign, not " + cv::typeToString(image.depth()));
    buffer.create(image.rows, image.cols, CV_8UC(image.channels()));
    for (int y = 0; y < image.rows; ++y) {
        const auto* from = image.ptr<std::uint16_t>(y);
        std::transform(from, from + image.cols * image.channels(), buffer.ptr<unsigned char>(y),
                       [](std::uint16_t value) { return static_cast<unsigned char>(value >> 8); });
    }
    return buffer;
}

}  // namespace detail

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
    const cv::Mat bytes = detail::to_bytes(image, buffers[0]);
    if (channels == 3) return bytes;
    cv::cvtColor(bytes, buffers[1], channels == 1 ? cv::COLOR_GRAY2BGR : cv::COLOR_BGRA2BGR);
    return buffers[1];
}

// Brings an image into the form for a network that takes so many channels: 8 bits, `channels`. For 3 it is `to_bgr`, and
// for 1 its result as grey, by OpenCV's COLOR_BGR2GRAY. For any other number the image must have as many channels, of 8
// or 16 bits, which are taken in their order. `buffers` are as for `to_bgr`. Throws InputError for anything else.
inline cv::Mat to_channels(const cv::Mat& image, int channels, std::array<cv::Mat, 2>& buffers) {
    if (channels == 3) return to_bgr(image, buffers);
    if (channels == 1) {
        if (image.channels() == 1 && image.depth() == CV_8U && image.dims == 2 && !image.empty()) return image;
        const cv::Mat bgr = to_bgr(image, buffers);
        cv::Mat& out = buffers[bgr.data == buffers[0].data ? 1 : 0];  // the one that `bgr` does not lie in
        cv::cvtColor(bgr, out, cv::COLOR_BGR2GRAY);
        return out;
    }
    if (image.empty()) throw InputError("the image is empty");
    if (image.dims != 2) throw InputError("an image must have two dimensions, not " + std::to_string(image.dims));
    if (image.channels() != channels)
        throw InputError("the image has " + std::to_string(image.channels()) + " channels, and the model takes " +
                         std::to_string(channels));
    return detail::to_bytes(image, buffers[0]);
}

namespace detail {

// Rounds halves to the even neighbour, as Python does.
// To the nearest whole number, of halves the even one; within ±2^30, and 0 for what is not a number.
inline int round(double value) {
    constexpr double most = 1 << 30;
    return std::isnan(value) ? 0 : static_cast<int>(std::nearbyint(std::min(std::max(value, -most), most)));
}

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

// Scales an image of 8 bits into `imgsz`, keeping its aspect ratio, and centres it on the grey `canvas`, which gets its
// channels and the size that `letterbox_shape` says.
inline Placement letterbox(const cv::Mat& image, cv::Size imgsz, int multiple, cv::Mat& canvas) {
    const cv::Size size = letterbox_shape(image.size(), imgsz, multiple);
    const cv::Size inner = detail::resized_shape(image.size(), imgsz);
    const int channels = image.channels();
    canvas.create(size, CV_8UC(channels));

    const int top = detail::round((size.height - inner.height) / 2.0 - 0.1);
    const int left = detail::round((size.width - inner.width) / 2.0 - 0.1);
    const int bottom = top + inner.height, right = left + inner.width;
    const auto pad = [&canvas, channels](cv::Range rows, cv::Range columns) {
        for (int y = rows.start; y < rows.end; ++y) {
            unsigned char* const row = canvas.ptr<unsigned char>(y);
            std::fill(row + channels * columns.start, row + channels * columns.end, grey);
        }
    };
    pad({0, top}, {0, size.width});
    pad({bottom, size.height}, {0, size.width});
    pad({top, bottom}, {0, left});
    pad({top, bottom}, {right, size.width});
    cv::Mat inside = canvas(cv::Range(top, bottom), cv::Range(left, right));
    if (image.total() == 1) {  // OpenCV 4.5.4 fails to resize a single pixel
        cv::repeat(image, inner.height, inner.width, inside);
    } else if (inner == image.size()) {
        image.copyTo(inside);
    } else if (channels == 3) {
        cv::resize(image, inside, inner, 0, 0, cv::INTER_LINEAR);
    } else {  // plane by plane, as Python does it
        cv::Mat plane, resized;
        for (int c = 0; c < channels; ++c) {
            cv::extractChannel(image, plane, c);
            cv::resize(plane, resized, inner, 0, 0, cv::INTER_LINEAR);
            cv::insertChannel(resized, inside, c);
        }
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
// A canvas of another number of channels c becomes (1, c, H, W) in the order of its channels; it is never folded.
inline void to_blob(const cv::Mat& canvas, int fold, cv::Mat& blob) {
    // What /255 makes of each byte. Looking it up is exact and costs one pass over the pixels.
    static const std::array<float, 256> unit = [] {
        std::array<float, 256> table{};
        for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i) / 255.0F;
        return table;
    }();
    const int channels = canvas.channels();
    const std::array<int, 4> shape = {1, channels * fold * fold, canvas.rows / fold, canvas.cols / fold};
    blob.create(4, shape.data(), CV_32F);
    const auto plane = static_cast<std::ptrdiff_t>(shape[2]) * shape[3];
    if (channels != 3) {
        for (int c = 0; c < channels; ++c) {
            for (int y = 0; y < canvas.rows; ++y) {
                const unsigned char* pixel = canvas.ptr<unsigned char>(y) + c;
                float* const row = blob.ptr<float>(0, c, y);
                for (int x = 0; x < canvas.cols; ++x, pixel += channels) row[x] = unit[*pixel];
            }
        }
        return;
    }
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

// --------------------------------------------------------------------------------------------------------------- masks
//
// From prototypes and mask coefficients to the mask of what was found, and from the canvas to the image.
//
// A mask is σ(coefficients · prototypes), cut to its box, scaled up to the canvas and compared with a half:
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/segment/general.py (process_mask).
//
// Only what lies within a mask's box is ever computed, and kept at the resolution of the canvas, a byte a pixel: n
// masks take at most n · H · W bytes for a network input of H × W, whatever the image's size. The image's own pixels
// are made when they are asked for.

// Where a mask may be: `pixels`, 8 bits, from `corner` on, 255 for what belongs to it and 0 for the rest. Everything
// else is outside it.
struct Bitmap {
    cv::Point corner;
    cv::Mat pixels;
};

// Computes the mask of a box on the canvas. `prototypes` are float (nm, mh, mw); there are nm `coefficients`; `xyxy` is
// in pixels of the canvas, neither clipped nor rounded.
inline Bitmap make_bitmap(const Head& prototypes, const float* coefficients, const cv::Vec4f& xyxy, cv::Size canvas) {
    const double scale_x = static_cast<double>(canvas.width) / prototypes.nx;
    const double scale_y = static_cast<double>(canvas.height) / prototypes.ny;
    // A cell belongs to the box if its index does: the first one is the first not below the edge.
    const auto first = [](float edge, double scale, int cells) {
        const float place = edge * static_cast<float>(1 / scale);
        return std::ceil(std::min(std::max(place, 0.0F), static_cast<float>(cells)));
    };
    const float x1 = first(xyxy[0], scale_x, prototypes.nx), y1 = first(xyxy[1], scale_y, prototypes.ny);
    const float x2 = first(xyxy[2], scale_x, prototypes.nx), y2 = first(xyxy[3], scale_y, prototypes.ny);
    if (!(x1 < x2 && y1 < y2)) return {};
    const cv::Rect box(cv::Point(static_cast<int>(x1), static_cast<int>(y1)),
                       cv::Point(static_cast<int>(x2), static_cast<int>(y2)));
    // One cell more on each side: scaling up mixes neighbours, and those outside the box count as 0.
    const cv::Rect reach =
        cv::Rect(box.x - 1, box.y - 1, box.width + 2, box.height + 2) & cv::Rect(0, 0, prototypes.nx, prototypes.ny);
    cv::Mat inside = cv::Mat::zeros(reach.size(), CV_32F);
    for (int y = box.y; y < box.br().y; ++y) {
        float* const row = inside.ptr<float>(y - reach.y) + (box.x - reach.x);
        const float* cells = prototypes.data + static_cast<std::ptrdiff_t>(y) * prototypes.nx + box.x;
        for (int k = 0; k < prototypes.channels; ++k) {
            for (int x = 0; x < box.width; ++x) row[x] += coefficients[k] * cells[x];
            cells += static_cast<std::ptrdiff_t>(prototypes.ny) * prototypes.nx;
        }
        for (int x = 0; x < box.width; ++x) row[x] = sigmoid(row[x]);
    }
    const auto on_canvas = [&](cv::Point cell) {
        return cv::Point(detail::round(cell.x * scale_x), detail::round(cell.y * scale_y));
    };
    const cv::Rect place(on_canvas(reach.tl()), on_canvas(reach.br()));
    if (place.empty()) return {};
    cv::Mat scaled;
    cv::resize(inside, scaled, place.size(), 0, 0, cv::INTER_LINEAR);
    return {place.tl(), scaled > 0.5};
}

namespace detail {

// What of an image a bitmap of the canvas reaches, along one axis. canvas = image · scale + pad holds for edges; a
// pixel's centre is half a pixel further. The picture on the canvas was rounded to whole pixels there, so its edge is
// meant within one of them.
struct Reach {
    int start = 0;       // the pixels of the image from here …
    int end = 0;         // … to here
    bool first = false;  // whether the bitmap touches the image's first pixel
    bool last = false;   // and its last
    double offset = 0;   // where the centre of the pixel `start` lies in the bitmap, with a border of one

    Reach(int bitmap_start, int length, double scale, double pad, int side)
        : first(bitmap_start < pad + 1), last(bitmap_start + length > side * scale + pad - 1) {
        if (!first) start = std::max(static_cast<int>(std::floor((bitmap_start - pad) / scale)), 0);
        end = last ? side : std::min(static_cast<int>(std::ceil((bitmap_start + length - pad) / scale)), side);
        offset = (start + 0.5) * scale + pad - 0.5 - (bitmap_start - 1);
    }
};

}  // namespace detail

// The mask of one object: what of the image belongs to it.
struct Mask {
    Bitmap bitmap;        // on the canvas
    Placement placement;  // of the image there
    cv::Size image;       // its size; empty where the model gives no masks

    // Whether there is none, because the model gives none.
    bool empty() const { return image.empty(); }

    // The part of the image that holds the mask; the rest is outside it. It has no pixels if the mask has none.
    Bitmap window() const {
        const cv::Mat& pixels = bitmap.pixels;
        if (pixels.empty()) return {};
        const detail::Reach x(bitmap.corner.x, pixels.cols, placement.scale, placement.pad_x, image.width);
        const detail::Reach y(bitmap.corner.y, pixels.rows, placement.scale, placement.pad_y, image.height);
        if (x.end <= x.start || y.end <= y.start) return {};
        // Around the bitmap it is 0, but past the image's own edge it goes on as it is there.
        cv::Mat bordered;
        cv::copyMakeBorder(pixels, bordered, 1, 1, 1, 1, cv::BORDER_CONSTANT, cv::Scalar(0));
        if (x.first) bordered.col(1).copyTo(bordered.col(0));
        if (x.last) bordered.col(pixels.cols).copyTo(bordered.col(pixels.cols + 1));
        if (y.first) bordered.row(1).copyTo(bordered.row(0));
        if (y.last) bordered.row(pixels.rows).copyTo(bordered.row(pixels.rows + 1));
        const cv::Matx23d matrix(placement.scale, 0, x.offset, 0, placement.scale, y.offset);
        cv::Mat grey_pixels;
        cv::warpAffine(bordered, grey_pixels, matrix, {x.end - x.start, y.end - y.start},
                       cv::INTER_LINEAR | cv::WARP_INVERSE_MAP, cv::BORDER_REPLICATE);
        return {{x.start, y.start}, grey_pixels > 127};
    }

    // All of the image's pixels: 8 bits, 255 for those that belong to it and 0 for the rest.
    cv::Mat pixels() const {
        cv::Mat all(image, CV_8U, cv::Scalar(0));
        const Bitmap part = window();
        if (!part.pixels.empty()) part.pixels.copyTo(all(cv::Rect(part.corner, part.pixels.size())));
        return all;
    }
};

// ---------------------------------------------------------------------------------------------------------- detections
//
// What was found.

// One object that was found.
struct Detection {
    int class_id = 0;
    float score = 0;                          // objectness × class probability, 0 to 1
    cv::Rect2f box;                           // in the image's pixels, within the image
    Mask mask = {};                           // empty where the model gives none
    std::vector<cv::Point2f> keypoints = {};  // in the image's pixels, within it; none where the model gives none
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
#if CV_VERSION_MAJOR >= 5
        {"onnxruntime", DNN_BACKEND_OPENCV, DNN_TARGET_CPU},  // an engine within OpenCV, if built with it
#endif
    };
    return all;
}

inline bool is_available(const Device& device) {
    // A build without it has the engine's name all the same, and takes another one.
    if (device.name == "onnxruntime")
        return std::regex_search(cv::getBuildInformation(), std::regex("ONNX Runtime: +YES"));
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

// ------------------------------------------------------------------------------------------------------------- program
//
// How the converter is called: messages name it.

namespace detail {

constexpr const char* how_to_convert = "convert its checkpoint with: python -m convert CHECKPOINT.pt";

// A path for a shell to read.
inline std::string shell_quoted(const std::string& path) {
    const auto plain = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || std::strchr("@%+=:,./-_", c);
    };
    if (!path.empty() && std::all_of(path.begin(), path.end(), plain)) return path;
    std::string quoted = "'";
    for (const char c : path) quoted += c == '\'' ? std::string("'\"'\"'") : std::string(1, c);
    return quoted + "'";
}

inline std::string how_to_convert_this(const std::string& checkpoint) {
    return "convert it with: python -m convert " + shell_quoted(checkpoint);
}

// Says how a missing model file is made, of the checkpoint beside it if there is one.
inline std::string how_to_make(const std::filesystem::path& path) {
    std::error_code error;
    for (const char* const suffix : {".pt", ".pth"}) {
        const std::filesystem::path beside = std::filesystem::path(path).replace_extension(suffix);
        if (std::filesystem::is_regular_file(beside, error))
            return how_to_convert_this(utf8(beside)) + " --output " + shell_quoted(utf8(path));
    }
    return std::string(how_to_convert) + " --output " + shell_quoted(utf8(path));
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

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------- model_info
//
// What a model file says about its network, and the sizes of input that fit it.

namespace detail {

constexpr int max_channels = 16;  // of an image
constexpr int max_side = 8192;    // of the network's input, in pixels: a wrong size should not fill the memory

}  // namespace detail

struct Task;  // see tasks.hpp

struct ModelInfo {
    std::vector<std::string> names;  // of the classes, by class id, UTF-8
    std::vector<int> strides;        // by head map, in pixels
    std::vector<Anchors> anchors;    // by head map
    cv::Size imgsz{640, 640};        // size the network was converted for
    std::string task = "detect";     // the name of one of `tasks()`
    const Task* head = nullptr;      // that one, once `read_info` has looked it up
    bool dynamic = false;            // may the input have another size, divisible by `size_multiple`?
    int size_multiple = 0;           // what height and width of the input must be divisible by
    int fold = 1;                    // side of the squares of pixels that the input holds as channels, see `to_blob`
    int channels = 3;                // of the input: 3, R G B; 1, grey; others are taken as they are given
    std::string producer;            // the program that wrote the file, and its version

    // The shape (N, C, H, W) of the network's input for an image of this size in pixels.
    std::vector<std::int64_t> input_shape(cv::Size size) const {
        return {1, std::int64_t{channels} * fold * fold, size.height / fold, size.width / fold};
    }

    // The overlap at which models of this kind are cut off, if nobody says other.
    double usual_iou_thres(double of_task) const {
        return decoded == "yolov8" ? 0.7 : decoded == "end-to-end" ? 1.0 : of_task;  // above 1 NMS has nothing to do
    }

    // What only some tasks have.
    std::string decoded;                          // the layout of boxes that the network decodes itself
    int input_scale = 1;                          // what its pixels, 0 to 1, are multiplied by
    int reg_max = 0;                              // bins of each distance, of a network without anchors
    int masks = 0;                                // mask coefficients of each box
    int keypoints = 0;                            // of each box
    std::string crop;                             // what a classifier is shown, see `to_classifier_blob`,
    cv::Vec3f mean{0, 0, 0}, deviation{1, 1, 1};  // and how its colours are normalised: R, G, B
};

namespace detail {

// Chooses the input's size: the model's own, or `imgsz` rounded up to what fits. `free`: whether the model takes
// another size than its own. Throws InputError for a size that it can't have.
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

// --------------------------------------------------------------------------------------------------------- anchor_free
//
// From the raw head maps of an anchor-free network (yolov5u, YOLOv8) to candidate boxes. With the cell (column, row) of
// a head of stride s, and for each side the distance d = Σ k · softmax(bins)_k:
//
//     x1 = (column + 0.5 − d_left) · s    y1 = (row + 0.5 − d_top) · s
//     x2 = (column + 0.5 + d_right) · s   y2 = (row + 0.5 + d_bottom) · s
//     score = σ(t_class)
//
// Distribution focal loss, https://arxiv.org/abs/2006.04388 (section 3.2): bin k stands for the distance k.

// The box of one candidate, x1 y1 x2 y2 in pixels of the network's input. `bins` are the logits of the left, top, right
// and bottom distance, `reg_max` each; one lies `plane` floats behind the other.
inline cv::Vec4f decode_distances(const float* bins, std::ptrdiff_t plane, int reg_max, cv::Point2f cell,
                                  float stride) {
    std::array<float, 4> distances{};
    for (float& distance : distances) {
        float most = bins[0];
        for (int k = 1; k < reg_max; ++k) most = std::max(most, bins[k * plane]);
        float weights = 0, weighted = 0;
        for (int k = 0; k < reg_max; ++k) {
            const float weight = std::exp(bins[k * plane] - most);
            weights += weight;
            weighted += weight * static_cast<float>(k);
        }
        distance = weighted / weights;
        bins += reg_max * plane;
    }
    const float x = cell.x + 0.5F, y = cell.y + 0.5F;
    return {(x - distances[0]) * stride, (y - distances[1]) * stride, (x + distances[2]) * stride,
            (y + distances[3]) * stride};
}

// Finds the candidates of one image whose score is above `conf_thres`, in the order head, row, column, class. A head
// has 4 · reg_max channels for the distances, then the classes; `strides` go by head. A candidate is given its best
// class (the first of equals), or with `multi_label` every class that is above. There is nothing extra.
// Throws ModelError if a head has no classes, or a class logit is not a number, as when 16-bit arithmetic overflowed.
inline void decode_anchor_free(const std::vector<Head>& heads, const std::vector<int>& strides, int reg_max,
                               double conf_thres, bool multi_label, Candidates& found) {
    if (heads.size() != strides.size())
        throw ModelError("the network has " + std::to_string(heads.size()) + " heads, but there are strides for " +
                         std::to_string(strides.size()));
    // A little lower, so that no score is lost to rounding.
    const float threshold =
        std::nextafter(static_cast<float>(logit(conf_thres)), -std::numeric_limits<float>::infinity());
    const auto score_thres = static_cast<float>(conf_thres);
    found.extra_width = 0;
    found.resize(0);

    for (std::size_t i = 0; i < heads.size(); ++i) {
        const Head& head = heads[i];
        const int first = 4 * reg_max;
        if (reg_max < 1 || head.channels <= first) throw ModelError("a head without classes finds nothing");
        const auto plane = static_cast<std::ptrdiff_t>(head.ny) * head.nx;
        const auto visit = [&](std::ptrdiff_t cell) {
            const float* const t = head.data + cell;
            cv::Vec4f box;  // decoded once, if at all
            bool decoded = false;
            const auto keep = [&](int channel) {
                const float score = sigmoid(t[channel * plane]);
                if (!(score > score_thres)) return;
                const cv::Point2f place(static_cast<float>(cell % head.nx), static_cast<float>(cell / head.nx));
                if (!decoded) box = decode_distances(t, plane, reg_max, place, static_cast<float>(strides[i]));
                decoded = true;
                found.xyxy.push_back(box);
                found.scores.push_back(score);
                found.class_ids.push_back(channel - first);
            };
            if (multi_label) {
                for (int k = first; k < head.channels; ++k)
                    if (t[k * plane] > threshold) keep(k);
            } else {
                int best = first;
                for (int k = best + 1; k < head.channels; ++k)
                    if (t[k * plane] > t[best * plane]) best = k;
                keep(best);
            }
        };
        // Plane by plane, as the numbers lie, for some cells at a time.
        std::array<float, 128> best{};
        const auto block = static_cast<std::ptrdiff_t>(best.size());
        for (std::ptrdiff_t start = 0; start < plane; start += block) {
            const std::ptrdiff_t count = std::min(block, plane - start);
            best.fill(-std::numeric_limits<float>::infinity());
            bool numbers = true;
            for (int k = first; k < head.channels; ++k) {
                const float* const logits = head.data + k * plane + start;
                for (std::ptrdiff_t j = 0; j < count; ++j) {
                    float& most = best[static_cast<std::size_t>(j)];
                    numbers &= logits[j] == logits[j];
                    most = std::max(most, logits[j]);
                }
            }
            if (!numbers) throw ModelError(detail::not_finite);
            for (std::ptrdiff_t j = 0; j < count; ++j)
                if (best[static_cast<std::size_t>(j)] > threshold) visit(start + j);
        }
    }
}

// ------------------------------------------------------------------------------------------------------------- decoded
//
// From the output of a network that decodes its boxes itself, as other exporters write them, to candidates.

namespace detail {

// Throws ModelError if a score is no probability; 16 bits, and rounding, leave a little above 1.
inline void check_score(float score, int columns, bool rows) {
    constexpr float most = 1.01F;
    if (std::isnan(score)) throw ModelError(not_finite);
    if (score <= most && score >= 1 - most) return;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.4g", static_cast<double>(score));
    throw ModelError(
        std::string("the network gives a score of ") + text.data() + ", and a probability is at most 1: its " +
        std::to_string(columns) + " columns are not boxes and classes" +
        (columns == 16 && rows ? "; 16 are those of yolov5-face, with 5 points" : "") + "; " + how_to_convert);
}

// Throws ModelError if the boxes, whose largest centre or corner this is, are not in pixels.
inline void check_places(float largest) {
    if (largest <= 2)
        throw ModelError(
            std::string("the network gives boxes in shares of the picture, from 0 to 1, and not in pixels, "
                        "as exports for TensorFlow do; ") +
            how_to_convert);
}

}  // namespace detail

// Chooses the boxes that score above `conf_thres`, in the order of the output, and writes them to `found`. With
// `objectness` a box is a row of the output, a head of one column: centre x, centre y, width and height in pixels of the
// network's input, objectness and classes as probabilities. Without, it is a column, and has no objectness. A box is given
// its best class, or with `multi_label` every class that scores high enough.
// Throws ModelError if a score or a chosen box is not a number.
inline void decode_decoded(const Head& head, bool objectness, double conf_thres, bool multi_label, Candidates& found) {
    // Boxes in rows: what belongs to one lies side by side.
    cv::Mat output(head.channels, head.nx, CV_32F, const_cast<float*>(head.data));
    if (!objectness) output = output.t();
    const int first = objectness ? 5 : 4;
    const auto threshold = static_cast<float>(conf_thres);
    found.extra_width = 0;
    found.resize(0);
    for (int i = 0; i < output.rows; ++i) {
        const float* const row = output.ptr<float>(i);
        const float share = objectness ? row[4] : 1.0F;
        if (share <= threshold) continue;
        const auto add = [&](int class_id) {
            const float score = row[first + class_id] * share;
            if (!(score > threshold)) return;
            const float half_w = row[2] / 2, half_h = row[3] / 2;
            found.xyxy.emplace_back(row[0] - half_w, row[1] - half_h, row[0] + half_w, row[1] + half_h);
            found.scores.push_back(score);
            found.class_ids.push_back(class_id);
        };
        const float *const classes = row + first, *const end = row + output.cols;
        for (const float* each = classes; each != end; ++each)
            detail::check_score(*each * share, output.cols, objectness);
        if (!multi_label) add(static_cast<int>(std::max_element(classes, end) - classes));
        for (int k = 0; multi_label && k < end - classes; ++k) add(k);
    }
    if (found.size() == 0) return;
    float largest = 0;
    for (int i = 0; i < output.rows; ++i) largest = std::max({largest, output.at<float>(i, 0), output.at<float>(i, 1)});
    detail::check_places(largest);
}

// The same of what NMS leaves, or of a network that needs none: a box is a row of its corners, its score and its class.
// Throws ModelError if a number is not one, or a class is none of those that there are.
inline void decode_final(const Head& head, int classes, double conf_thres, Candidates& found) {
    found.extra_width = 0;
    found.resize(0);
    float largest = 0;
    for (int i = 0; i < head.channels; ++i) {
        const float* const row = head.data + std::ptrdiff_t{6} * i;
        if (row[4] <= static_cast<float>(conf_thres)) continue;
        detail::check_score(row[4], 6, false);
        if (!(row[5] >= 0 && row[5] < static_cast<float>(classes)) || std::floor(row[5]) != row[5])
            throw ModelError("the network gives a class that is none of the " + std::to_string(classes) + " it has");
        for (int k = 0; k < 4; ++k) largest = std::max(largest, row[k]);
        found.xyxy.emplace_back(row[0], row[1], row[2], row[3]);
        found.scores.push_back(row[4]);
        found.class_ids.push_back(static_cast<int>(row[5]));
    }
    if (found.size() > 0) detail::check_places(largest);
}

// --------------------------------------------------------------------------------------------------------------- tasks
//
// What a task changes, in one table: here is what to add a row to. `read_info` looks a file's task up once, and nothing
// else asks which task it is.

using Shape = std::vector<int>;  // of an array, the slowest dimension first; −1 is a side of the network's own choice

struct Output {
    std::string name;
    Shape shape;
};

struct Task {
    std::string name;                   // as the metadata say it
    std::vector<std::string> required;  // keys that the metadata must have
    std::string user;                   // what runs such a model, for messages
    // Where such networks are usually cut off, if nobody says other.
    double conf_thres;
    double iou_thres;
    // Looks at the values of those keys together. Throws detail::Invalid.
    void (*check)(const ModelInfo& info);
    // The network's outputs, in order, for an input of this size: a head map for each stride, then what else there is.
    std::vector<Output> (*outputs)(const ModelInfo& info, cv::Size size);
    // Finds the candidates in the head maps. A task that finds none, but answers for the whole image, has no `decode`.
    void (*decode)(const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
                   Candidates& found);
    // Brings what is extra of the candidates that were kept to the image, and adds it to their detections. A task that
    // has nothing extra has no `complete`.
    void (*complete)(const ModelInfo& info, const Candidates& kept, const std::vector<cv::Mat>& outputs,
                     const Placement& placement, cv::Size image, std::vector<Detection>& found);
};

namespace detail {

constexpr const char* for_boxes = "Detector, or yolov5-detect";
constexpr const char* for_classes = "Classifier, as in cpp/examples/classify";

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

inline int class_count(const ModelInfo& info) { return static_cast<int>(info.names.size()); }

// What lies where in the outputs of an anchor, with so many extra ones behind the classes, or before them.
inline Layout classes_first(const ModelInfo& info, int extra) {
    const int end = 5 + class_count(info);
    return {{5, end}, {end, end + extra}};
}

inline Layout extra_first(const ModelInfo& info, int extra) {
    return {{5 + extra, 5 + extra + class_count(info)}, {5, 5 + extra}};
}

// A head map for each stride, with the channels that `channels` says.
inline std::vector<Output> head_maps(const ModelInfo& info, cv::Size size,
                                     const std::function<int(std::size_t)>& channels) {
    std::vector<Output> outputs;
    for (std::size_t i = 0; i < info.strides.size(); ++i) {
        const int stride = info.strides[i];
        outputs.push_back({"out" + std::to_string(i), {1, channels(i), size.height / stride, size.width / stride}});
    }
    return outputs;
}

// The same with anchors, each of which has that many outputs.
inline std::vector<Output> anchor_maps(const ModelInfo& info, cv::Size size, int outputs) {
    return head_maps(info, size, [&](std::size_t i) { return static_cast<int>(info.anchors[i].size()) * outputs; });
}

// Boxes and classes, nothing extra.
inline Task detect_task() {
    return {"detect",
            {"names", "anchors", "strides"},
            for_boxes,
            0.25,
            0.45,
            check_heads,
            [](const ModelInfo& info, cv::Size size) { return anchor_maps(info, size, 5 + class_count(info)); },
            [](const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
               Candidates& found) {
                decode(heads, info.anchors, info.strides, classes_first(info, 0), conf_thres, multi_label, found);
            },
            nullptr};
}

// The same without anchors, as today's `ultralytics` package trains YOLOv5 ("yolov5u"), and YOLOv8.
inline Task anchor_free_task() {
    return {"detect",
            {"names", "strides", "reg_max"},
            for_boxes,
            0.25,
            0.7,
            [](const ModelInfo& info) {
                if (info.strides.empty()) throw Invalid("there are no strides");
            },
            [](const ModelInfo& info, cv::Size size) {
                return head_maps(info, size, [&](std::size_t) { return 4 * info.reg_max + class_count(info); });
            },
            [](const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
               Candidates& found) {
                decode_anchor_free(heads, info.strides, info.reg_max, conf_thres, multi_label, found);
            },
            nullptr};
}

// Networks of other exporters, which decode their boxes themselves, in one of the layouts that `foreign.hpp` tells.
inline Task decoded_task() {
    return {
        "detect",
        {"names", "decoded"},
        for_boxes,
        0.25,
        0.45,
        [](const ModelInfo& info) {
            if (info.decoded != "yolov5" && info.decoded != "yolov8" && info.decoded != "end-to-end")
                throw Invalid("decoded must be yolov5 or yolov8 or end-to-end, not '" + escape(info.decoded, 40) + "'");
        },
        [](const ModelInfo& info, cv::Size) {
            const int classes = class_count(info);
            const Shape shape = info.decoded == "yolov8"   ? Shape{1, 4 + classes, -1}
                                : info.decoded == "yolov5" ? Shape{1, -1, 5 + classes}
                                                           : Shape{1, -1, 6};
            return std::vector<Output>{{"output0", shape}};
        },
        [](const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
           Candidates& found) {
            if (info.decoded == "end-to-end")
                decode_final(heads[0], class_count(info), conf_thres, found);
            else
                decode_decoded(heads[0], info.decoded == "yolov5", conf_thres, multi_label, found);
        },
        nullptr};
}

// A box, and which pixels in it belong to the object: each box has `masks` coefficients for the prototypes, the further
// output `proto`.
inline Task segment_task() {
    return {"segment",
            {"names", "anchors", "strides", "masks"},
            for_boxes,
            0.25,
            0.45,
            check_heads,
            [](const ModelInfo& info, cv::Size size) {
                auto outputs = anchor_maps(info, size, 5 + class_count(info) + info.masks);
                outputs.push_back({"proto", {1, info.masks, -1, -1}});
                return outputs;
            },
            [](const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
               Candidates& found) {
                const Layout layout = classes_first(info, info.masks);
                // YOLOv5's NMS multiplies everything after the objectness by it, the coefficients, too. That moves no
                // pixel's sign, but some pixels of the border once the masks are scaled up.
                const auto coefficients = [&](const Picked& picked, float* extra) {
                    const float objectness = sigmoid(picked[4]);
                    for (int k = layout.extra.start; k < layout.extra.end; ++k) *extra++ = picked[k] * objectness;
                };
                decode(heads, info.anchors, info.strides, layout, conf_thres, multi_label, found, coefficients);
            },
            [](const ModelInfo& info, const Candidates& kept, const std::vector<cv::Mat>& outputs,
               const Placement& placement, cv::Size image, std::vector<Detection>& found) {
                if (!found.empty() && !cv::checkRange(outputs.back())) throw ModelError(not_finite);
                const Head prototypes = head_of(outputs.back()), finest = head_of(outputs.front());
                const cv::Size canvas(finest.nx * info.strides[0], finest.ny * info.strides[0]);
                for (std::size_t i = 0; i < kept.size(); ++i) {
                    const float* const coefficients = kept.extra.data() + i * kept.extra_width;
                    found[i].mask = {make_bitmap(prototypes, coefficients, kept.xyxy[i], canvas), placement, image};
                }
            }};
}

// Boxes with keypoints: the faces and their five landmarks of yolov5-face. A point lies at raw · anchor + cell ·
// stride, without a sigmoid and without the boxes' half cell: https://github.com/deepcam-cn/yolov5-face
// (models/yolo.py).
inline Task keypoints_task() {
    return {"keypoints",
            {"names", "anchors", "strides", "keypoints"},
            for_boxes,
            0.6,
            0.5,
            check_heads,
            [](const ModelInfo& info, cv::Size size) {
                return anchor_maps(info, size, 5 + 2 * info.keypoints + class_count(info));
            },
            [](const ModelInfo& info, const std::vector<Head>& heads, double conf_thres, bool multi_label,
               Candidates& found) {
                const Layout layout = extra_first(info, 2 * info.keypoints);
                const auto points = [&](const Picked& picked, float* extra) {
                    for (int k = layout.extra.start; k < layout.extra.end; k += 2) {
                        *extra++ = picked[k] * picked.anchor.width + picked.cell.x * picked.stride;
                        *extra++ = picked[k + 1] * picked.anchor.height + picked.cell.y * picked.stride;
                    }
                };
                // Of several classes each that scores high enough counts, as in yolov5-face.
                const bool several = multi_label || class_count(info) > 1;
                decode(heads, info.anchors, info.strides, layout, conf_thres, several, found, points);
            },
            [](const ModelInfo&, const Candidates& kept, const std::vector<cv::Mat>&, const Placement& placement,
               cv::Size image, std::vector<Detection>& found) {
                for (std::size_t i = 0; i < kept.size(); ++i) {
                    const float* const points = kept.extra.data() + i * kept.extra_width;
                    for (std::size_t k = 0; k < kept.extra_width; k += 2) {
                        const float x = points[k], y = points[k + 1];
                        const cv::Vec4f place = unletterbox({x, y, x, y}, placement, image);
                        found[i].keypoints.emplace_back(place[0], place[1]);  // outside it comes to the edge
                    }
                }
            }};
}

// One answer for the whole image: logits of the classes, for a square cut from it, with its colours normalised.
inline Task classify_task() {
    return {"classify",
            {"names", "crop", "mean", "std"},
            for_classes,
            0,
            0,
            [](const ModelInfo& info) {
                if (info.crop != "square" && info.crop != "shorter-side")
                    throw Invalid("crop must be square or shorter-side, not '" + info.crop + "'");
                for (int c = 0; c < 3; ++c)
                    if (!(info.deviation[c] > 0)) throw Invalid("std must be above 0");
            },
            [](const ModelInfo& info, cv::Size) {
                return std::vector<Output>{{"out0", {1, class_count(info)}}};
            },
            nullptr,
            nullptr};
}

}  // namespace detail

// Several kinds of network may share a name: of these the first one whose metadata is there is taken.
inline const std::vector<Task>& tasks() {
    static const std::vector<Task> all = {detail::detect_task(),  detail::anchor_free_task(), detail::decoded_task(),
                                          detail::segment_task(), detail::keypoints_task(),   detail::classify_task()};
    return all;
}

// Looks a task up by the metadata's `task`; has(key) tells which metadata there is.
// Throws detail::Invalid for a task that is not in the table.
inline const Task& find_task(const std::string& name, const std::function<bool(const std::string&)>& has) {
    const Task *named = nullptr, *told = nullptr;
    std::string known, last;
    for (const Task& task : tasks()) {
        if (task.name == name) {
            if (std::all_of(task.required.begin(), task.required.end(), has)) return task;
            if (!named) named = &task;
            if (!told && has(task.required.back())) told = &task;  // which no other task has, and so tells most
        }
        if (task.name != last) known += (known.empty() ? "'" : " or '") + task.name + "'";
        last = task.name;
    }
    if (named) return told ? *told : *named;
    throw detail::Invalid("the task is '" + name + "', and only " + known + " is supported");
}

// ----------------------------------------------------------------------------------------------------------- read_info
//
// From a model file's metadata, JSON of a file that may say anything, to what it says about its network.

namespace detail {

// The checks of one metadata value each. They throw Invalid.

inline int to_whole(const Json& json, const std::string& name, int most = max_side) {
    if (json.type != Json::Type::number || json.number < 1 || json.number > most ||
        std::floor(json.number) != json.number)
        throw Invalid(name + " must be whole numbers from 1 to " + std::to_string(most));
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

inline std::string to_text(const Json& json, const std::string& name) {
    if (json.type != Json::Type::string) throw Invalid(name + " must be text");
    return json.string;
}

// A number for red, green and blue.
inline cv::Vec3f to_colours(const Json& json, const std::string& name) {
    cv::Vec3f colours;
    const std::vector<Json>& items = to_list(json, name);
    bool right = items.size() == 3;
    for (int c = 0; right && c < 3; ++c) {
        const Json& item = items[static_cast<std::size_t>(c)];
        colours[c] = static_cast<float>(item.number);
        right = item.type == Json::Type::number && std::isfinite(colours[c]);
    }
    if (!right) throw Invalid(name + " must be three numbers");
    return colours;
}

// Looks at the values that every task has, together. Throws Invalid.
inline void check_info(const ModelInfo& info) {
    const std::string multiple = std::to_string(info.size_multiple);
    for (const int stride : info.strides)
        if (info.size_multiple % stride)
            throw Invalid("size_multiple " + multiple + " is not divisible by the stride " + std::to_string(stride));
    if (info.imgsz.height % info.size_multiple || info.imgsz.width % info.size_multiple)
        throw Invalid("imgsz " + std::to_string(info.imgsz.height) + " × " + std::to_string(info.imgsz.width) +
                      " is not divisible by the size_multiple " + multiple);
    std::vector<int> folded = info.strides;
    if (folded.empty()) folded.push_back(info.size_multiple);
    for (const int stride : folded)
        if (stride % info.fold)
            throw Invalid("fold " + std::to_string(info.fold) + " does not divide the stride " +
                          std::to_string(stride));
    const std::string channels = std::to_string(info.channels);
    if (info.channels != 3 && info.fold != 1) throw Invalid("an input of " + channels + " channels cannot be folded");
    if (info.channels != 3 && !info.head->decode)
        throw Invalid("the task " + info.task + " takes 3 channels, not " + channels);
}

// Parses the values of those of the keys that there are. Throws ModelError, which calls the file `name`.
inline std::map<std::string, Json> parse_metadata(const std::map<std::string, std::string>& metadata,
                                                  const std::vector<std::string>& keys, const std::string& name) {
    std::map<std::string, Json> values;
    for (const std::string& key : keys) {
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

// Whether somebody gave what the metadata call so.
inline bool is_given(const ModelInfo& given, const std::string& key) {
    return (key == "names" && !given.names.empty()) || (key == "anchors" && !given.anchors.empty()) ||
           (key == "strides" && !given.strides.empty());
}

// Takes over the values that tell what the outputs mean, each checked by itself; what is given stays.
inline void read_head(const std::map<std::string, Json>& values, const ModelInfo& given, ModelInfo& info) {
    for (const auto& [key, value] : values) {
        if (is_given(given, key)) continue;
        if (key == "names") info.names = to_names(value);
        if (key == "anchors") info.anchors = to_anchors(value);
        if (key == "strides") info.strides = to_strides(value);
        if (key == "reg_max") info.reg_max = to_whole(value, key, 1024);
        if (key == "masks") info.masks = to_whole(value, key);
        if (key == "keypoints") info.keypoints = to_whole(value, key);
        if (key == "decoded") info.decoded = to_text(value, key);
        if (key == "input_scale") info.input_scale = to_whole(value, key, 255);
        if (key == "crop") info.crop = to_text(value, key);
        if (key == "mean") info.mean = to_colours(value, key);
        if (key == "std") info.deviation = to_colours(value, key);
    }
}

// The same for what every file may say.
inline void read_common(const std::map<std::string, Json>& values, ModelInfo& info) {
    info.size_multiple = 1;
    for (const int stride : info.strides) info.size_multiple = std::max(info.size_multiple, stride);
    for (const auto& [key, value] : values) {
        if (key == "imgsz") {
            const auto& sides = to_list(value, key);
            if (sides.size() != 2) throw Invalid("imgsz must be [height, width]");
            info.imgsz = {to_whole(sides[1], key), to_whole(sides[0], key)};
        }
        if (key == "dynamic") {
            if (value.type != Json::Type::boolean) throw Invalid("dynamic must be true or false");
            info.dynamic = value.boolean;
        }
        if (key == "fold") info.fold = to_whole(value, key);
        if (key == "source" && value.type != Json::Type::object && value.type != Json::Type::null)
            throw Invalid("source must be an object");
        if (key == "channels") info.channels = to_whole(value, key, max_channels);
        if (key == "size_multiple") info.size_multiple = to_whole(value, key);
    }
}

}  // namespace detail

// Makes the ModelInfo of a file from its metadata, checking every value. What `given` has of names, anchors
// and strides replaces the file's. With all three, the file needs no metadata: its network then counts as one
// of fixed size, 640 × 640 unless the file says other.
// Throws ModelError, which names the value that is missing or wrong.
inline ModelInfo read_info(const std::map<std::string, std::string>& metadata, const std::filesystem::path& path,
                           const ModelInfo& given = {}) {
    const std::string name = detail::utf8(path);
    ModelInfo info = given;
    try {
        for (const auto& [key, value] : detail::parse_metadata(metadata, {"task"}, name))
            info.task = detail::to_text(value, key);
        const auto has = [&](const std::string& key) { return metadata.count(key) || detail::is_given(given, key); };
        const Task& task = find_task(info.task, has);
        info.head = &task;
        std::string missing;
        bool could_be_given = true;
        for (const std::string& key : task.required) {
            if (has(key)) continue;
            missing += (missing.empty() ? "" : ", ") + key;
            could_be_given = could_be_given && (key == "names" || key == "anchors" || key == "strides");
        }
        const bool oriented = metadata.count("decoded") && metadata.at("decoded") == "\"yolov5\"";
        if (!missing.empty())
            throw ModelError(name + " lacks the metadata " + missing + "; " +
                             (oriented ? "with 181 to 200 columns for classes it could be a network for oriented boxes "
                                         "(yolov5_obb); "
                                       : "") +
                             detail::how_to_convert +
                             (could_be_given ? ", or give Detector the options names, anchors and strides" : ""));
        std::vector<std::string> keys = task.required;
        if (has("decoded")) keys.push_back("input_scale");
        detail::read_head(detail::parse_metadata(metadata, keys, name), given, info);
        if (info.names.empty()) throw detail::Invalid("names must be a list of strings");
        task.check(info);
        detail::read_common(
            detail::parse_metadata(metadata, {"imgsz", "size_multiple", "dynamic", "fold", "channels", "source"}, name),
            info);
        detail::check_info(info);
    } catch (const detail::Invalid& invalid) {
        throw ModelError(name + " has unusable metadata: " + invalid.what());
    }
    const auto producer = metadata.find("producer");
    if (producer != metadata.end()) info.producer = producer->second;
    return info;
}

// ------------------------------------------------------------------------------------------------------------ protobuf
//
// A bounded reader of protobuf messages: their fields, by number, out of bytes that nobody vouches for.
// Wire format: https://protobuf.dev/programming-guides/encoding
// Only what a model file may hold is read: no groups, no field that occurs twice although it may only once, no field of
// another wire type than its own.

namespace detail {

constexpr std::size_t max_fields = 500000;  // of a whole file; the largest YOLOv5 has about 30,000
constexpr std::size_t max_name = 1024;      // bytes

// How a field's value is written.
enum class WireType : std::uint64_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

// Where a field lies in the bytes: its first byte, and its value from `start` up to `end`.
struct Span {
    std::size_t tag = 0;
    std::size_t start = 0;
    std::size_t end = 0;

    std::size_t size() const { return end - start; }
};

struct ProtoField {
    std::uint64_t number = 0;
    WireType type = WireType::varint;
    Span span;
};

// What a field's value is (int64, float, at most `max_name` bytes, or a message or long value, which is only located),
// and whether the field may occur many times.
struct Kind {
    enum class Value { integer, real, name, span };
    std::uint64_t number = 0;
    const char* label = "";
    Value value = Value::span;
    bool many = false;
};

class ProtoMessage;

// Reads messages out of one buffer, and counts the fields that it has seen.
class ProtoReader {
public:
    explicit ProtoReader(const std::vector<unsigned char>& buffer) : buffer_(buffer) {}

    // Reads the fields of the message in a span that `kinds` lists; others are skipped. Throws Invalid.
    ProtoMessage message(const Span& span, const std::vector<Kind>& kinds);

    // Moves on to the next field of a message, which begins at `at`; false after the last. Throws Invalid.
    bool next(std::size_t& at, std::size_t end, ProtoField& field) {
        if (at >= end) return false;
        spend(1);
        field.span.tag = at;
        const std::uint64_t key = varint(at, end);
        field.number = key >> 3;
        if (field.number == 0 || field.number >= 1U << 29)
            throw Invalid("a field number is " + std::to_string(field.number) + " at byte " +
                          std::to_string(field.span.tag));
        field.type = static_cast<WireType>(key & 7);
        field.span.start = at;
        std::uint64_t length = 0;
        switch (field.type) {
            case WireType::varint: varint(at, end); break;
            case WireType::fixed64: length = 8; break;
            case WireType::bytes:
                length = varint(at, end);
                field.span.start = at;
                break;
            case WireType::fixed32: length = 4; break;
            default:
                throw Invalid("the wire type " + std::to_string(key & 7) + " at byte " +
                              std::to_string(field.span.tag) + " is unknown");
        }
        if (length > end - at)
            throw Invalid("it ends in the midst of the field at byte " + std::to_string(field.span.tag));
        at += static_cast<std::size_t>(length);
        field.span.end = at;
        return true;
    }

    // A text of at most `most` bytes. Throws Invalid.
    std::string text(const Span& span, std::size_t most) const {
        if (span.size() > most)
            throw Invalid("the text at byte " + std::to_string(span.tag) + " is longer than " + std::to_string(most) +
                          " bytes");
        return std::string(buffer_.data() + span.start, buffer_.data() + span.end);
    }

    // The integers that are packed into one field, each a varint. Throws Invalid.
    std::vector<std::int64_t> integers(const Span& span) {
        spend(span.size());
        std::vector<std::int64_t> values;
        for (std::size_t at = span.start; at < span.end;)
            values.push_back(static_cast<std::int64_t>(varint(at, span.end)));
        return values;
    }

    // The floats that are packed into one field. Throws Invalid.
    std::vector<float> reals(const Span& span) {
        spend(span.size() / 4);
        if (span.size() % 4)
            throw Invalid("the numbers at byte " + std::to_string(span.tag) + " end in the midst of one");
        std::vector<float> values(span.size() / 4);
        if (!values.empty()) std::memcpy(values.data(), buffer_.data() + span.start, span.size());
        return values;
    }

    // A number of seven bits per byte, lowest first. Throws Invalid.
    std::uint64_t varint(std::size_t& at, std::size_t end) const {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 70; shift += 7) {
            if (at >= end) throw Invalid("it ends in the midst of a number at byte " + std::to_string(at));
            const unsigned char byte = buffer_[at++];
            value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        throw Invalid("a number is longer than ten bytes at byte " + std::to_string(at));
    }

    const std::vector<unsigned char>& buffer() const { return buffer_; }

private:
    void spend(std::size_t fields) {
        if (fields > left_) throw Invalid("it has more than " + std::to_string(max_fields) + " fields");
        left_ -= fields;
    }

    const std::vector<unsigned char>& buffer_;
    std::size_t left_ = max_fields;
};

// The fields of one message, by label.
class ProtoMessage {
public:
    ProtoMessage(ProtoReader& reader, const std::vector<Kind>& kinds) : reader_(reader), kinds_(kinds) {}

    void add(const ProtoField& field) {
        for (const Kind& kind : kinds_) {
            if (kind.number != field.number) continue;
            const bool number = kind.value == Kind::Value::integer || kind.value == Kind::Value::real;
            const WireType own = kind.value == Kind::Value::integer ? WireType::varint
                                 : kind.value == Kind::Value::real  ? WireType::fixed32
                                                                    : WireType::bytes;
            const std::string where = " at byte " + std::to_string(field.span.tag);
            if (field.type != own && !(kind.many && number && field.type == WireType::bytes))
                throw Invalid("the field " + std::string(kind.label) + where + " has the wire type " +
                              std::to_string(static_cast<std::uint64_t>(field.type)));
            std::vector<ProtoField>& found = found_[kind.label];
            if (!kind.many && !found.empty())
                throw Invalid("the field " + std::string(kind.label) + " occurs twice, again" + where);
            if (kind.value == Kind::Value::name && field.span.size() > max_name)
                throw Invalid("the name" + where + " is longer than " + std::to_string(max_name) + " bytes");
            found.push_back(field);
        }
    }

    bool has(const std::string& label) const { return found_.count(label) > 0; }

    // Fields that are messages or long values.
    std::vector<Span> spans(const std::string& label) const {
        std::vector<Span> spans;
        for (const ProtoField& field : fields(label)) spans.push_back(field.span);
        return spans;
    }

    // The only one, which `has` has told to be there.
    Span span(const std::string& label) const { return fields(label).at(0).span; }

    std::vector<std::string> names(const std::string& label) const {
        std::vector<std::string> names;
        for (const ProtoField& field : fields(label)) names.push_back(reader_.text(field.span, max_name));
        return names;
    }

    std::string name(const std::string& label) const { return has(label) ? names(label).at(0) : std::string(); }

    std::vector<std::int64_t> integers(const std::string& label) const {
        std::vector<std::int64_t> values;
        for (const ProtoField& field : fields(label)) {
            if (field.type == WireType::bytes) {
                const std::vector<std::int64_t> more = reader_.integers(field.span);
                values.insert(values.end(), more.begin(), more.end());
            } else {
                std::size_t at = field.span.start;
                values.push_back(static_cast<std::int64_t>(reader_.varint(at, field.span.end)));
            }
        }
        return values;
    }

    std::int64_t integer(const std::string& label) const { return has(label) ? integers(label).at(0) : 0; }

    std::vector<float> reals(const std::string& label) const {
        std::vector<float> values;
        for (const ProtoField& field : fields(label)) {
            const std::vector<float> more = reader_.reals(field.span);
            values.insert(values.end(), more.begin(), more.end());
        }
        return values;
    }

private:
    const std::vector<ProtoField>& fields(const std::string& label) const {
        static const std::vector<ProtoField> none;
        const auto entry = found_.find(label);
        return entry == found_.end() ? none : entry->second;
    }

    ProtoReader& reader_;
    const std::vector<Kind>& kinds_;
    std::map<std::string, std::vector<ProtoField>> found_;
};

inline ProtoMessage ProtoReader::message(const Span& span, const std::vector<Kind>& kinds) {
    ProtoMessage found(*this, kinds);
    ProtoField field;
    for (std::size_t at = span.start; next(at, span.end, field);) found.add(field);
    return found;
}

// The first byte of a field with bytes, for numbers below 16.
constexpr unsigned char tag_of(std::uint64_t number) {
    return static_cast<unsigned char>(number << 3 | static_cast<std::uint64_t>(WireType::bytes));
}

}  // namespace detail

// ------------------------------------------------------------------------------------------------------------- tensors
//
// The tensors of a model file's graph: their types, their shapes, and that their numbers are all there. Points 3 and 4 of
// what runtime/model/graph.py promises. Weights are looked at where they lie, and not copied.

namespace detail {

constexpr std::size_t max_dimensions = 8;
constexpr std::size_t max_values = 4096;  // of a list among the attributes, and of a tensor that is not weights

using Sides = std::vector<std::int64_t>;  // the shape of a value

// The graph is one that no converter writes; the text says what is wrong with it.
class GraphError : public Invalid {
    using Invalid::Invalid;
};

// A tensor keeps its numbers in another file.
class ExternalDataError : public GraphError {
    using GraphError::GraphError;
};

// The product, or 2^62 if it is larger.
inline std::int64_t product(std::int64_t a, std::int64_t b) {
    constexpr std::int64_t most = std::int64_t{1} << 62;
    return a == 0 || b == 0 ? 0 : a > most / b ? most : a * b;
}

// How many numbers a value of this shape has.
inline std::int64_t count_of(const Sides& sides) {
    std::int64_t count = std::count(sides.begin(), sides.end(), 0) ? 0 : 1;
    for (const std::int64_t side : sides) count = product(count, side);
    return count;
}

// Numbers that stand in the file: their shape, and the numbers themselves, flat, unless there are more than
// `max_values`, which are weights.
struct Tensor {
    Sides dims;
    bool whole = false;  // are they of a type without fractions?
    std::vector<double> values;
};

// A name within a message.
inline std::string show(const std::string& name) { return "'" + escape(name, 80) + "'"; }

namespace onnx {
using Value = Kind::Value;
inline const std::vector<Kind> value = {{1, "name", Value::name}, {2, "type", Value::span}};
inline const std::vector<Kind> type = {{1, "tensor_type", Value::span}};
inline const std::vector<Kind> tensor_type = {{1, "elem_type", Value::integer}, {2, "shape", Value::span}};
inline const std::vector<Kind> shape = {{1, "dim", Value::span, true}};
inline const std::vector<Kind> dim = {{1, "dim_value", Value::integer}, {2, "dim_param", Value::name}};
inline const std::vector<Kind> tensor = {
    {1, "dims", Value::integer, true},     {2, "data_type", Value::integer}, {3, "segment", Value::span},
    {4, "float_data", Value::span},        {5, "int32_data", Value::span},   {6, "string_data", Value::span, true},
    {7, "int64_data", Value::span},        {8, "name", Value::name},         {9, "raw_data", Value::span},
    {10, "double_data", Value::span},      {11, "uint64_data", Value::span}, {13, "external_data", Value::span, true},
    {14, "data_location", Value::integer},
};
}  // namespace onnx

// A type of numbers: its data_type, its name, the bytes of one in raw_data, whether it has no fractions, and the other
// field that may hold it.
struct NumberType {
    std::int64_t data_type = 0;
    const char* name = "";
    std::size_t size = 0;
    bool whole = false;
    const char* other = "";
};

inline const NumberType* find_number_type(std::int64_t data_type) {
    static const NumberType types[] = {
        {1, "float32", 4, false, "float_data"}, {2, "uint8", 1, true, "int32_data"},
        {3, "int8", 1, true, "int32_data"},     {6, "int32", 4, true, "int32_data"},
        {7, "int64", 8, true, "int64_data"},    {9, "bool", 1, true, "int32_data"},
        {10, "float16", 2, false, ""},          {11, "float64", 8, false, "double_data"},
    };
    const auto* const found =
        std::find_if(std::begin(types), std::end(types), [&](const NumberType& t) { return t.data_type == data_type; });
    return found == std::end(types) ? nullptr : found;
}

// The number of type T at these bytes, which need not be aligned.
template <typename T>
T number_at(const unsigned char* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

// Are all these floating-point numbers finite? Their bits say: an exponent of nothing but ones is not.
template <typename Bits>
bool all_finite(const unsigned char* bytes, std::size_t count, Bits exponent) {
    Bits found = 0;
    for (std::size_t i = 0; i < count; ++i)
        found = static_cast<Bits>(found | ((number_at<Bits>(bytes + i * sizeof(Bits)) & exponent) == exponent));
    return found == 0;
}

inline double half_to_double(std::uint16_t half) {
    const int exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
    const double size = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
    return half & 0x8000 ? -size : size;
}

inline double to_double(const unsigned char* bytes, const NumberType& type) {
    switch (type.data_type) {
        case 1: return number_at<float>(bytes);
        case 3: return number_at<std::int8_t>(bytes);
        case 6: return number_at<std::int32_t>(bytes);
        case 7: return static_cast<double>(number_at<std::int64_t>(bytes));
        case 10: return half_to_double(number_at<std::uint16_t>(bytes));
        case 11: return number_at<double>(bytes);
        default: return *bytes;
    }
}

// Reads a TensorProto: its name, its shape, and its numbers if they are few. Throws GraphError or Invalid.
inline std::pair<std::string, Tensor> read_tensor(ProtoReader& reader, const Span& span) {
    const ProtoMessage parts = reader.message(span, onnx::tensor);
    const std::string name = parts.name("name"), title = "the tensor " + show(name);
    if (parts.has("external_data") || parts.integer("data_location"))
        throw ExternalDataError(title + " keeps its numbers in another file");
    const NumberType* const type = find_number_type(parts.integer("data_type"));
    if (!type || parts.has("segment") || parts.has("string_data") || parts.has("uint64_data"))
        throw GraphError(title + " is of the type " + std::to_string(parts.integer("data_type")) +
                         ", which no network needs");
    Tensor tensor;
    tensor.whole = type->whole;
    tensor.dims = parts.integers("dims");
    const bool usable = std::all_of(tensor.dims.begin(), tensor.dims.end(),
                                    [](std::int64_t side) { return side >= 0 && side < std::int64_t{1} << 31; });
    if (!usable || tensor.dims.size() > max_dimensions) throw GraphError(title + " has unusable dimensions");
    const std::int64_t count = count_of(tensor.dims);
    std::vector<std::string> payloads;
    for (const char* label : {"raw_data", "float_data", "int32_data", "int64_data", "double_data"})
        if (parts.has(label)) payloads.push_back(label);
    if (payloads.empty() && count == 0) return {name, tensor};
    if (payloads.size() != 1 || (payloads[0] != "raw_data" && payloads[0] != type->other))
        throw GraphError(title + " does not keep its numbers where the type " + type->name + " has them");

    const Span place = parts.span(payloads[0]);
    const unsigned char* const bytes = reader.buffer().data() + place.start;
    const bool varints = payloads[0] == "int32_data" || payloads[0] == "int64_data";
    std::size_t found = place.size() / type->size;
    bool complete = place.size() % type->size == 0;
    if (varints) {  // each ends with the one byte that is below 0x80
        found = static_cast<std::size_t>(
            std::count_if(bytes, bytes + place.size(), [](unsigned char byte) { return byte < 0x80; }));
        complete = place.size() == 0 || bytes[place.size() - 1] < 0x80;
    }
    if (!complete || static_cast<std::int64_t>(found) != count)
        throw GraphError(title + " has " + std::to_string(place.size()) + " bytes, not the " + std::to_string(count) +
                         " numbers of type " + type->name + " that it states");
    if (varints) {
        if (found <= max_values)
            for (const std::int64_t value : reader.integers(place)) tensor.values.push_back(static_cast<double>(value));
        return {name, tensor};
    }
    const bool finite = type->data_type == 1    ? all_finite<std::uint32_t>(bytes, found, 0x7F800000)
                        : type->data_type == 10 ? all_finite<std::uint16_t>(bytes, found, 0x7C00)
                        : type->data_type == 11 ? all_finite<std::uint64_t>(bytes, found, 0x7FF0000000000000)
                                                : true;
    if (!finite) throw GraphError(title + " holds numbers that are not finite");
    if (found <= max_values)
        for (std::size_t i = 0; i < found; ++i) tensor.values.push_back(to_double(bytes + i * type->size, *type));
    return {name, tensor};
}

// What the file states of a value: its name, the type of its numbers, and where the sides of its shape stand.
struct Stated {
    std::string name;
    std::int64_t elem_type = 0;
    std::vector<Span> sides;
};

inline Stated read_stated(ProtoReader& reader, const Span& span) {
    const ProtoMessage parts = reader.message(span, onnx::value);
    Stated stated{parts.name("name"), 0, {}};
    const GraphError no_tensor("its value " + show(stated.name) + " is not a tensor");
    if (!parts.has("type")) throw no_tensor;
    const ProtoMessage type = reader.message(parts.span("type"), onnx::type);
    if (!type.has("tensor_type")) throw no_tensor;
    const ProtoMessage tensor = reader.message(type.span("tensor_type"), onnx::tensor_type);
    stated.elem_type = tensor.integer("elem_type");
    if (tensor.has("shape")) stated.sides = reader.message(tensor.span("shape"), onnx::shape).spans("dim");
    return stated;
}

// Where the sides of the shape stand that the file states of a value.
inline std::vector<Span> side_places(ProtoReader& reader, const Span& span) { return read_stated(reader, span).sides; }

// Name and shape of one of the graph's inputs or outputs; 0 is a free side.
inline std::pair<std::string, Sides> stated_shape(ProtoReader& reader, const Span& span) {
    const auto [name, elem_type, dims] = read_stated(reader, span);
    const std::string title = "its value " + show(name);
    if (dims.size() > max_dimensions || !find_number_type(elem_type))
        throw GraphError(title + " has " + std::to_string(dims.size()) + " dimensions of the type " +
                         std::to_string(elem_type));
    Sides shape;
    for (const Span& dim : dims) {
        shape.push_back(reader.message(dim, onnx::dim).integer("dim_value"));
        if (shape.back() < 0 || shape.back() >= std::int64_t{1} << 31)
            throw GraphError(title + " has a dimension below 0 or too large");
    }
    return {name, shape};
}

}  // namespace detail

// ------------------------------------------------------------------------------------------------------------- foreign
//
// Model files of other exporters, told in this house's own metadata. `export.py` of YOLOv5 and the `ultralytics` package
// write networks that decode their boxes themselves, to pixels of the input; the shape of their one output tells how:
//
//     yolov5   (1, na · cells, 5 + nc): centre x, centre y, width, height, objectness, classes
//     yolov8   (1, 4 + nc, cells): centre x, centre y, width, height, classes
//     end-to-end  (1, n, 6): x1, y1, x2, y2, score, class id; what NMS leaves, or a network that needs none
//
// where cells = Σ H/s · W/s over the strides s, and scores are probabilities. Their metadata's values are what Python's
// `str` makes of them: `names` "{0: 'person', 1: 'bicycle'}", `stride` "32", `task` "detect".

namespace detail {

constexpr std::size_t max_classes = 10000;

// A model of another kind than can be run; the text, which follows the file's name, says what it is.
class ExportError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Reads the names of the classes: a Python literal, a dict by class id or a list, of strings alone.
class NamesReader {
public:
    // Throws ExportError for anything else.
    static std::vector<std::string> read(const std::string& text) { return NamesReader(text).names(); }

private:
    explicit NamesReader(const std::string& text) : text_(text) {}

    [[noreturn]] void fail() const {
        throw ExportError("has names in its metadata that break at '" + escape(text_.substr(at_), 40) + "'");
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    void space() {
        while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++at_;
    }

    bool take(char wanted) {
        space();
        if (peek() != wanted || at_ >= text_.size()) return false;
        ++at_;
        return true;
    }

    std::vector<std::string> names() {
        const bool dict = take('{');
        if (!dict && !take('['))
            throw ExportError("has names in its metadata that are no dict or list: '" + escape(text_, 60) + "'");
        const char end = dict ? '}' : ']';
        std::map<std::size_t, std::string> found;
        while (!take(end)) {
            std::size_t number = found.size();
            if (dict) {
                number = whole();
                if (!take(':')) fail();
            }
            found[number] = string();
            if (found.size() > max_classes)
                throw ExportError("has more than " + std::to_string(max_classes) + " names in its metadata");
            if (take(end)) break;
            if (!take(',')) fail();
        }
        space();
        if (at_ != text_.size()) fail();
        std::vector<std::string> names;
        for (const auto& [number, name] : found) {
            if (number != names.size()) break;
            names.push_back(name);
        }
        if (names.empty() || names.size() != found.size())
            throw ExportError("has class names in its metadata that are not numbered 0, 1, 2, …");
        return names;
    }

    std::size_t whole() {
        space();
        std::size_t value = 0, digits = 0;
        for (; peek() >= '0' && peek() <= '9'; ++at_, ++digits)
            value = 10 * value + static_cast<std::size_t>(peek() - '0');
        if (digits == 0 || digits > 9) fail();
        return value;
    }

    std::string string() {
        space();
        const char quote = peek();
        if (quote != '\'' && quote != '"') fail();
        ++at_;
        std::string value;
        while (peek() != quote) {
            if (at_ >= text_.size()) fail();
            const char letter = text_[at_++];
            if (letter != '\\') {
                value += letter;
                continue;
            }
            if (at_ >= text_.size()) fail();
            value += unescape(text_[at_++]);
        }
        ++at_;
        return value;
    }

    std::string unescape(char letter) {
        if (letter == 'n') return "\n";
        if (letter == 'r') return "\r";
        if (letter == 't') return "\t";
        const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
        const std::string hexadecimal = text_.substr(at_, digits);
        const bool is_code = digits && hexadecimal.size() == digits &&
                             hexadecimal.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
        if (!is_code) return std::string(1, letter);
        at_ += digits;
        const std::uint64_t code = std::stoull(hexadecimal, nullptr, 16);
        const bool is_character = code < 0x110000 && (code < 0xD800 || code >= 0xE000);
        std::string character;
        append_utf8(character, is_character ? static_cast<unsigned>(code) : 0xFFFD);
        return character;
    }

    const std::string& text_;
    std::size_t at_ = 0;
};

inline std::string json_names(const std::vector<std::string>& names) {
    std::string json;
    for (const std::string& name : names) {
        json += json.empty() ? "[\"" : ", \"";
        for (const char c : name) {
            constexpr const char* digits = "0123456789abcdef";
            if (c == '"' || c == '\\') json += '\\';
            if (static_cast<unsigned char>(c) >= 0x20) {
                json += c;
            } else {
                json += std::string("\\u00") + digits[c >> 4] + digits[c & 15];
            }
        }
        json += '"';
    }
    return json + "]";
}

// What an operator that OpenCV cannot run says of its file, and the way out; empty of others.
inline std::string unsupported(const std::string& op) {
    static const std::map<std::string, const char*> reasons = [] {
        std::map<std::string, const char*> all = {{"Shape", "export it again with simplify and without dynamic"}};
        for (const char* const each :
             {"NonMaxSuppression", "EfficientNMS_TRT", "BatchedNMS_TRT", "BatchedNMSDynamic_TRT", "RoiAlign"})
            all[each] = "it has NMS inside, which OpenCV does not run; export it again without NMS";
        for (const char* const each : {"DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "DynamicQuantizeLSTM"})
            all[each] =
                "it is quantized dynamically, which OpenCV does not run; take the float32 file that it was made of";
        for (const char* const each : {"QLinearConv", "QLinearMatMul", "QLinearAdd"})
            all[each] = "it is quantized in operators of integers (QOperator); quantize it in the format QDQ";
        return all;
    }();
    const auto found = reasons.find(op);
    return found == reasons.end() ? "" : std::string("; ") + found->second;
}

inline std::string what_it_is(const std::vector<Sides>& outputs) {
    std::string shapes;
    bool five = false;
    for (std::size_t i = 0; i < outputs.size() && i < 5; ++i) {
        std::string shape;
        for (const std::int64_t side : outputs[i]) shape += (shape.empty() ? "" : ", ") + std::to_string(side);
        shapes += (shapes.empty() ? "(" : " and (") + shape + ")";
    }
    for (const Sides& sides : outputs) five = five || sides.size() == 5;
    std::string kind = "no detector that is known here";
    if (five) kind = "a YOLOv5 whose head maps are of another order, as export.py up to v6.1 and --train give them";
    if (outputs[0].size() == 3 && outputs.size() > 1 && outputs[1].size() == 4)
        kind = "a segmentation network of another exporter";
    if (outputs[0].size() == 2) kind = "a classifier of another exporter";
    return "is " + kind + ": its outputs are " + shapes;
}

// Whether so many columns could be DOTA's 15 to 18 classes, or the like, and 180 for the angle. Their names are then not
// made up: only who knows them knows that all the columns are classes.
inline bool could_be_oriented(std::int64_t columns) { return columns > 180 && columns <= 200; }

// Checks that there are as many columns of classes as names, if there are names. Throws ExportError.
inline std::int64_t check_classes(std::int64_t columns, std::int64_t names, bool rows) {
    const std::string start = "has " + std::to_string(columns) + " columns for classes";
    if (names == 0 || columns == names) return columns;
    const std::int64_t more = columns - names;
    std::string known;
    if (more == 32) known = "an export for segmentation, with 32 mask coefficients";
    if (rows && more == 180) known = "a network for oriented boxes (yolov5_obb)";
    if (rows && more == 10) known = "yolov5-face, with 5 points";
    if (!rows && more == 1) known = "an export for oriented boxes, with their angle";
    if (!rows && more > 0 && more % 3 == 0)
        known = "an export for poses, with " + std::to_string(more / 3) + " keypoints";
    throw ExportError(start + ", and " + std::to_string(names) + " names" +
                      (known.empty() ? "" : ": it seems to be " + known));
}

// The layout, and how many classes there are; 0 where the shape doesn't tell. Throws ExportError.
inline std::pair<std::string, std::int64_t> layout_of(const std::vector<Sides>& outputs, std::int64_t names,
                                                      std::int64_t height, std::int64_t width) {
    if (outputs.size() == 1 && outputs[0].size() == 3) {
        const std::int64_t a = outputs[0][1], b = outputs[0][2];
        if (outputs[0][0] != 1)
            throw ExportError("takes " + std::to_string(outputs[0][0]) + " images at once; export it again for one");
        // How many cells the heads have together: of P4, P5 and P6 networks, and of rarer ones, too.
        const auto sum = [&](std::initializer_list<std::int64_t> strides) {
            std::int64_t total = 0;
            for (const std::int64_t stride : strides) total += (height / stride) * (width / stride);
            return total;
        };
        const std::set<std::int64_t> usual = {sum({8, 16}), sum({8, 16, 32}), sum({8, 16, 32, 64})};
        std::set<std::int64_t> cells = usual;
        for (const std::int64_t count : {sum({4, 8, 16, 32}), sum({4, 8, 16, 32, 64}), sum({16, 32})})
            cells.insert(count);
        // Few rows could also be an end-to-end network's.
        const bool many = a > 1000 && std::any_of(cells.begin(), cells.end(), [&](std::int64_t count) {
                              return count > 0 && a % count == 0 && a / count >= 2 && a / count <= 9;
                          });
        if (b > 5 && ((a % 3 == 0 && usual.count(a / 3)) || many)) return {"yolov5", check_classes(b - 5, names, true)};
        if (b > 5 && b - 5 == names && a > 1000) return {"yolov5", b - 5};
        if (b > 5 && a > 1000 && cells.count(a))
            throw ExportError("gives " + std::to_string(b) +
                              " numbers for each cell, as YOLOX does, whose boxes are of another kind; of other "
                              "families' networks only those of YOLOv5 and of ultralytics are run");
        if (a > 4 && (usual.count(b) || (b > 1000 && cells.count(b)) || a - 4 == names))
            return {"yolov8", check_classes(a - 4, names, false)};
        if (b == 6) return {"end-to-end", 0};
        if (b > 5 && b - 5 == names) return {"yolov5", b - 5};
    }
    throw ExportError(what_it_is(outputs));
}

// Gives a file's metadata as this house writes it; as it is, unless another exporter wrote the file. `input` is the shape
// of the input, `outputs` are those of the outputs then, `input_scale` is 255 if the network takes pixels from 0 to 255.
// Throws ExportError for a model that is neither of this project nor one of those above.
inline std::map<std::string, std::string> own_metadata(const std::map<std::string, std::string>& metadata,
                                                       const Sides& input, bool dynamic,
                                                       const std::vector<Sides>& outputs, int input_scale) {
    bool own = true;
    for (const Sides& sides : outputs) own = own && sides.size() == 4;
    for (const char* const key : {"strides", "anchors", "reg_max", "masks", "keypoints", "crop", "decoded"})
        own = own || metadata.count(key);
    if (own) return metadata;
    const auto text = [&](const char* key, const char* otherwise) {
        const auto entry = metadata.find(key);
        return entry == metadata.end() ? std::string(otherwise) : entry->second;
    };
    if (text("task", "detect") != "detect")
        throw ExportError("is an export for the task '" + escape(text("task", ""), 40) +
                          "', and of exports only detectors are run");
    std::vector<std::string> names;
    if (metadata.count("names")) names = NamesReader::read(metadata.at("names"));
    const auto [layout, classes] = layout_of(outputs, static_cast<std::int64_t>(names.size()), input[2], input[3]);
    if (names.empty() && !(layout == "yolov5" && could_be_oriented(classes)))
        for (std::int64_t number = 0; number < classes; ++number) names.push_back("class" + std::to_string(number));
    const std::string stride = text("stride", "32");
    if (stride.empty() || stride.size() > 4 || stride[0] == '0' ||
        stride.find_first_not_of("0123456789") != std::string::npos)
        throw ExportError("has a stride '" + escape(stride, 40) + "' in its metadata");
    std::map<std::string, std::string> own_values = {
        {"producer", text("producer", "")},
        {"task", "\"detect\""},
        {"decoded", "\"" + layout + "\""},
        {"imgsz", "[" + std::to_string(input[2]) + ", " + std::to_string(input[3]) + "]"},
        {"size_multiple", stride},
        {"dynamic", dynamic ? "true" : "false"}};
    if (!names.empty()) own_values["names"] = json_names(names);  // there are none where the shape doesn't tell
    if (input_scale != 1) own_values["input_scale"] = std::to_string(input_scale);
    return own_values;
}

}  // namespace detail

// --------------------------------------------------------------------------------------------------------------- graph
//
// The walk through a model file's graph, before OpenCV sees a byte of it. What it promises stands, numbered, in
// runtime/model/graph.py, whose twin this is; both are held to tests/cases/hostile_models.json.
// Field numbers: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto

namespace detail {

constexpr std::size_t max_nodes = 10000;  // the largest YOLOv5 has about 900
constexpr std::size_t max_tensors = 10000;
constexpr std::size_t max_outputs = 100;
constexpr const char* swish_domain = "yolov5_dnn";
constexpr std::uint64_t domain_field = 7;
constexpr std::uint64_t hidden_field = 15;  // no node of ONNX has it: `read_model` puts the domain of Swish under it

struct Attribute {
    enum class Kind { integer, real, text, tensor, reals, integers, texts };
    Kind kind = Kind::integer;
    std::vector<std::int64_t> integers;
    std::vector<float> reals;
    std::string text;
    Tensor tensor;
};

// One operator: `title` says in messages which it is; inputs may be "", which stands for "left out".
struct Node {
    std::string title;
    std::string op_type;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    std::map<std::string, Attribute> attributes;
};

// What was read. input_dims: 0 where the file leaves a side free. domains: where those of Swish nodes stand.
struct Graph {
    std::string input;
    Sides input_dims;
    std::vector<std::string> outputs;
    std::vector<Node> nodes;
    std::map<std::string, Tensor> tensors;
    std::vector<Span> domains;
};

namespace onnx {
inline const std::vector<Kind> graph = {
    {1, "node", Value::span, true},   {2, "name", Value::name},          {5, "initializer", Value::span, true},
    {11, "input", Value::span, true}, {12, "output", Value::span, true}, {15, "sparse_initializer", Value::span, true},
};
inline const std::vector<Kind> node = {
    {1, "input", Value::name, true},
    {2, "output", Value::name, true},
    {3, "name", Value::name},
    {4, "op_type", Value::name},
    {5, "attribute", Value::span, true},
    {domain_field, "domain", Value::span},
    {hidden_field, "hidden", Value::span, true},
};
inline const std::vector<Kind> attribute = {
    {1, "name", Value::name},
    {2, "f", Value::real},
    {3, "i", Value::integer},
    {4, "s", Value::name},
    {5, "t", Value::span},
    {6, "g", Value::span},
    {7, "floats", Value::real, true},
    {8, "ints", Value::integer, true},
    {9, "strings", Value::name, true},
    {10, "tensors", Value::span, true},
    {11, "graphs", Value::span, true},
    {14, "tp", Value::span},
    {15, "type_protos", Value::span, true},
    {20, "type", Value::integer},
    {21, "ref_attr_name", Value::name},
    {22, "sparse_tensor", Value::span},
    {23, "sparse_tensors", Value::span, true},
};
inline const std::vector<Kind> function = {
    {1, "name", Value::name},       {4, "input", Value::name, true}, {5, "output", Value::name, true},
    {7, "node", Value::span, true}, {10, "domain", Value::name},
};
}  // namespace onnx

inline std::pair<std::string, Attribute> read_attribute(ProtoReader& reader, const Span& span,
                                                        const std::string& title) {
    const ProtoMessage parts = reader.message(span, onnx::attribute);
    const std::string name = escape(parts.name("name"), 80), which = "the attribute " + name + " of " + title;
    static const std::map<std::int64_t, std::pair<Attribute::Kind, std::string>> kinds = {
        {1, {Attribute::Kind::real, "f"}},       {2, {Attribute::Kind::integer, "i"}},
        {3, {Attribute::Kind::text, "s"}},       {4, {Attribute::Kind::tensor, "t"}},
        {6, {Attribute::Kind::reals, "floats"}}, {7, {Attribute::Kind::integers, "ints"}},
        {8, {Attribute::Kind::texts, "strings"}}};
    const auto kind = kinds.find(parts.integer("type"));
    bool usable = kind != kinds.end();
    for (const auto& field : onnx::attribute)
        if (usable && parts.has(field.label) && std::string(field.label) != "name" &&
            std::string(field.label) != "type" && field.label != kind->second.second)
            usable = false;
    if (usable && (kind->second.first == Attribute::Kind::text || kind->second.first == Attribute::Kind::tensor))
        usable = parts.has(kind->second.second);
    if (!usable) throw GraphError(which + " is of a kind that no network needs");
    Attribute attribute;
    attribute.kind = kind->second.first;
    if (parts.has("t")) attribute.tensor = read_tensor(reader, parts.span("t")).second;
    attribute.text = parts.name("s");
    attribute.integers =
        attribute.kind == Attribute::Kind::integer ? Sides{parts.integer("i")} : parts.integers("ints");
    attribute.reals = parts.reals(attribute.kind == Attribute::Kind::real ? "f" : "floats");
    if (attribute.kind == Attribute::Kind::real && attribute.reals.empty()) attribute.reals.push_back(0);
    for (const float value : attribute.reals)
        if (!std::isfinite(value)) throw GraphError(which + " is not finite");
    if (std::max({attribute.integers.size(), attribute.reals.size(), parts.spans("strings").size()}) > max_values)
        throw GraphError(which + " has more than " + std::to_string(max_values) + " values");
    return {name, attribute};
}

inline Node read_node(ProtoReader& reader, const Span& span, Graph& graph) {
    const ProtoMessage parts = reader.message(span, onnx::node);
    Node node;
    node.op_type = parts.name("op_type");
    node.title = "the node " + show(parts.name("name")) + " (" + escape(node.op_type, 40) + ")";
    std::string domain;
    if (parts.has("domain")) {
        Span start = parts.span("domain");
        start.end = std::min(start.end, start.start + max_name);
        domain = reader.text(start, max_name);
    }
    if (domain == swish_domain && node.op_type == "Swish") {
        const Span place = parts.span("domain");
        if (place.start - place.tag != 2)  // its number or its length would not fit into the byte it needs
            throw GraphError(node.title + " writes the field of its domain longer than it is");
        graph.domains.push_back(place);
    } else if (!domain.empty() && domain != "ai.onnx") {
        throw GraphError(node.title + " is an operator of the unknown domain " + show(domain));
    }
    if (parts.has("hidden"))
        throw GraphError(node.title + " has a field " + std::to_string(hidden_field) + ", which ONNX does not know");
    node.inputs = parts.names("input");
    node.outputs = parts.names("output");
    const bool writes = std::any_of(node.outputs.begin(), node.outputs.end(), [](const auto& o) { return !o.empty(); });
    if (!writes || node.inputs.size() > max_values || node.outputs.size() > max_values)
        throw GraphError(node.title + " has " + std::to_string(node.inputs.size()) + " inputs and " +
                         std::to_string(node.outputs.size()) + " outputs");
    for (const Span& place : parts.spans("attribute")) {
        const auto attribute = read_attribute(reader, place, node.title);
        if (!node.attributes.insert(attribute).second)
            throw GraphError(node.title + " has the attribute " + attribute.first + " twice");
    }
    return node;
}

// Finds the domains of Swish nodes in a GraphProto in which they were hidden. Throws Invalid.
inline std::vector<Span> hidden_domains(ProtoReader& reader, const Span& span) {
    std::vector<Span> places;
    for (const Span& node : reader.message(span, onnx::graph).spans("node"))
        for (const Span& place : reader.message(node, onnx::node).spans("hidden")) places.push_back(place);
    return places;
}

// Reads the GraphProto in a span and checks all that holds for any input size. Throws GraphError or Invalid.
inline Graph read_graph(ProtoReader& reader, const Span& span) {
    const ProtoMessage parts = reader.message(span, onnx::graph);
    if (parts.has("sparse_initializer")) throw GraphError("it has sparse tensors");
    const std::pair<const char*, std::size_t> caps[] = {
        {"node", max_nodes}, {"initializer", max_tensors}, {"input", max_tensors}, {"output", max_outputs}};
    for (const auto& cap : caps)
        if (parts.spans(cap.first).size() > cap.second)
            throw GraphError("it has more than " + std::to_string(cap.second) + " " + cap.first + "s");
    Graph graph;
    for (const Span& place : parts.spans("initializer")) {
        const auto tensor = read_tensor(reader, place);
        if (tensor.first.empty()) throw GraphError("a tensor has no name");
        if (!graph.tensors.insert(tensor).second) throw GraphError("it has two tensors called " + show(tensor.first));
    }
    std::map<std::string, Sides> free;
    for (const Span& place : parts.spans("input")) {
        const auto input = stated_shape(reader, place);
        if (!graph.tensors.count(input.first)) free[input.first] = input.second;
    }
    if (free.size() != 1 || free.begin()->second.size() != 4)
        throw GraphError("it does not have exactly one input of the shape (N, C, H, W)");
    graph.input = free.begin()->first;
    graph.input_dims = free.begin()->second;

    std::set<std::string> written{graph.input};
    for (const auto& tensor : graph.tensors) written.insert(tensor.first);
    for (const Span& place : parts.spans("node")) {
        const Node node = read_node(reader, place, graph);
        for (const std::string& name : node.inputs)
            if (!name.empty() && !written.count(name))
                throw GraphError(node.title + " reads " + show(name) +
                                 ", which nothing before it writes; conversions to float16 leave such files: take the "
                                 "float32 one that it was made of");
        for (const std::string& name : node.outputs)
            if (!name.empty() && !written.insert(name).second)
                throw GraphError(node.title + " writes " + show(name) + ", which is there already");
        graph.nodes.push_back(node);
    }
    for (const Span& place : parts.spans("output")) {
        graph.outputs.push_back(stated_shape(reader, place).first);
        if (!written.count(graph.outputs.back()))
            throw GraphError("its output " + show(graph.outputs.back()) + " is written by nothing");
    }
    if (graph.outputs.empty()) throw GraphError("it has no outputs");
    return graph;
}

// Checks that a FunctionProto is `yolov5_dnn.Swish`: x·sigmoid(x). Throws GraphError or Invalid.
inline void check_function(ProtoReader& reader, const Span& span) {
    const ProtoMessage parts = reader.message(span, onnx::function);
    const std::vector<Span> nodes = parts.spans("node");
    const std::vector<std::string> inputs = parts.names("input"), outputs = parts.names("output");
    bool swish = parts.name("name") == "Swish" && parts.name("domain") == swish_domain && inputs.size() == 1 &&
                 outputs.size() == 1 && nodes.size() == 2;
    if (swish) {
        const ProtoMessage gate = reader.message(nodes[0], onnx::node), mul = reader.message(nodes[1], onnx::node);
        std::vector<std::string> factors = mul.names("input"), wanted = gate.names("output");
        wanted.push_back(inputs[0]);
        std::sort(factors.begin(), factors.end());
        std::sort(wanted.begin(), wanted.end());
        swish = gate.name("op_type") == "Sigmoid" && gate.names("input") == inputs && mul.name("op_type") == "Mul" &&
                mul.names("output") == outputs && factors == wanted && !gate.has("attribute") && !mul.has("attribute");
    }
    if (!swish)
        throw GraphError("it defines a function " + show(parts.name("name")) + ", and Swish is the only one known");
}

}  // namespace detail

// -------------------------------------------------------------------------------------------------------------- buffer
//
// A model file's bytes as other readers of ONNX than OpenCV's importer want them. No byte moves.

namespace detail {

namespace onnx {
constexpr std::uint64_t value_info_field = 13, nobodys_field = 9;  // of a graph
inline const std::vector<Kind> values = {{11, "input", Value::span, true},
                                         {12, "output", Value::span, true},
                                         {value_info_field, "value_info", Value::span, true}};
inline const std::vector<Kind> only_graph = {{7, "graph", Value::span}};
}  // namespace onnx

// The bytes as they stand in the file: `Swish` nodes have their domain again. The buffer is that of a ModelFile.
inline std::vector<unsigned char> as_in_the_file(const std::vector<unsigned char>& buffer) {
    ProtoReader reader(buffer);
    const Span graph = reader.message({0, 0, buffer.size()}, onnx::only_graph).span("graph");
    std::vector<unsigned char> whole = buffer;
    for (const Span& place : hidden_domains(reader, graph)) whole[place.tag] = tag_of(domain_field);
    return whole;
}

// The bytes for onnxruntime, which takes no other input size than the file states; OpenCV takes any. If the network is
// `dynamic`, may run at other sizes, the sides of the input and of the outputs become names, and the shapes of values in
// between are hidden.
inline std::vector<unsigned char> for_onnxruntime(const std::vector<unsigned char>& buffer, bool dynamic) {
    std::vector<unsigned char> whole = as_in_the_file(buffer);
    if (!dynamic) return whole;
    ProtoReader reader(buffer);
    const Span graph = reader.message({0, 0, buffer.size()}, onnx::only_graph).span("graph");
    const ProtoMessage values = reader.message(graph, onnx::values);
    for (const Span& place : values.spans("value_info"))
        if (whole[place.tag] == tag_of(onnx::value_info_field)) whole[place.tag] = tag_of(onnx::nobodys_field);
    std::vector<Span> sides;
    const auto add = [&](const Span& value, std::size_t from) {
        const std::vector<Span> places = side_places(reader, value);
        for (std::size_t i = from; i < places.size(); ++i) sides.push_back(places[i]);
    };
    add(values.spans("input").at(0), 2);
    for (const Span& place : values.spans("output")) add(place, 1);
    unsigned char name = 'a';
    for (const Span& side : sides) {
        constexpr unsigned char dim_value = 1 << 3, dim_param = tag_of(2);
        const bool short_number = side.size() == 2 || side.size() == 3;  // of one or two bytes
        if (short_number && whole[side.start] == dim_value) {
            whole[side.start] = dim_param;
            whole[side.start + 1] = static_cast<unsigned char>(side.size() - 2);
            if (side.size() == 3) whole[side.start + 2] = name;
        }
        if (name++ == 'z') break;
    }
    return whole;
}

}  // namespace detail

// --------------------------------------------------------------------------------------------------------- input_scale
//
// Which pixels a network of another exporter takes: from 0 to 1, or from 0 to 255, which it scales itself.

namespace detail {

// Tells by what the graph does to its input before anything else: 255 if it brings 0 … 255 to about 0 … 1. A division by
// 255, or a mean of 123, is one of pixels from 0 to 255; 0.485 is one of pixels from 0 to 1.
inline int input_scale(const Graph& graph) {
    std::map<std::string, const Tensor*> constants;
    for (const auto& [name, tensor] : graph.tensors) constants[name] = &tensor;
    std::string value = graph.input;
    for (const Node& node : graph.nodes) {
        const auto constant = node.attributes.find("value");
        if (node.op_type == "Constant" && constant != node.attributes.end())
            constants[node.outputs[0]] = &constant->second.tensor;
        if (std::find(node.inputs.begin(), node.inputs.end(), value) == node.inputs.end()) continue;
        if (node.op_type == "Cast" || node.op_type == "Identity" || node.op_type == "Transpose" ||
            node.op_type == "Reshape") {  // they change no number
            value = node.outputs[0];
            continue;
        }
        const bool by =
            node.op_type == "Div" || node.op_type == "Mul" || node.op_type == "Sub" || node.op_type == "Add";
        if (!by || node.inputs.size() != 2) return 1;
        const auto other = constants.find(node.inputs[0] == value ? node.inputs[1] : node.inputs[0]);
        if (other == constants.end()) return 1;
        double size = 0;
        for (const double each : other->second->values) size = std::max(size, std::abs(each));
        const bool large = node.op_type == "Mul" ? size > 0 && size < 0.05 : size > 50;
        return large && (node.op_type != "Div" || node.inputs[0] == value) ? 255 : 1;
    }
    return 1;
}

}  // namespace detail

// ------------------------------------------------------------------------------------------------------------- context
//
// What the shape rule of an operator sees of a node, and what the rules have in common.

namespace detail {

constexpr std::int64_t max_dim = (std::int64_t{1} << 31) - 1;  // of one side of a value

// The inputs are not what the operator can take.
class InferenceError : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void require(bool condition, const std::string& reason) {
    if (!condition) throw InferenceError(reason);
}

// What one rule sees of a node: the shapes of its inputs, its attributes, its constants. Some values are indices: integers
// that are known to be at least 0, and below a limit.
class InferenceContext {
public:
    InferenceContext(const Node& its_node, const std::map<std::string, Sides>& shapes,
                     std::map<std::string, Tensor>& constants, std::map<std::string, std::int64_t>& index_limits)
        : node(its_node), shapes_(shapes), constants_(constants), index_limits_(index_limits) {}

    const Node& node;
    std::int64_t multiplications = 0;  // told by the rule

    bool has(std::size_t index) const { return index < node.inputs.size() && !node.inputs[index].empty(); }

    // Of an input that has to be there.
    const Sides& shape(std::size_t index) const {
        require(index < node.inputs.size(), "an input or output is missing");
        require(has(index), "input " + std::to_string(index) + " is left out");
        return shapes_.at(node.inputs[index]);
    }

    // The attribute of this name and kind, or nullptr if there is none.
    const Attribute* attribute(const std::string& name, Attribute::Kind kind, const std::string& what) const {
        const auto entry = node.attributes.find(name);
        if (entry == node.attributes.end()) return nullptr;
        require(entry->second.kind == kind, name + " is not a" + what);
        return &entry->second;
    }

    Sides integers(const std::string& name, const Sides& otherwise) const {
        const Attribute* const found = attribute(name, Attribute::Kind::integers, " list");
        return found ? found->integers : otherwise;
    }

    std::int64_t integer(const std::string& name, std::int64_t otherwise) const {
        const Attribute* const found = attribute(name, Attribute::Kind::integer, "n integer");
        return found ? found->integers.at(0) : otherwise;
    }

    std::string string(const std::string& name, const std::string& otherwise) const {
        const Attribute* const found = attribute(name, Attribute::Kind::text, " string");
        return found ? found->text : otherwise;
    }

    // The numbers of an input that has to stand in the file.
    const std::vector<double>& constant(std::size_t index) const {
        require(index < node.inputs.size(), "an input or output is missing");
        const auto entry = constants_.find(node.inputs[index]);
        require(entry != constants_.end() &&
                    static_cast<std::int64_t>(entry->second.values.size()) == count_of(entry->second.dims),
                "input " + std::to_string(index) + " is not a constant of few numbers");
        return entry->second.values;
    }

    // The same, of integers; those beyond 2^62 count as that.
    Sides integer_constant(std::size_t index) const {
        constexpr double most = 4611686018427387904.0;
        Sides values;
        for (const double value : constant(index)) {
            require(value == std::floor(value), "input " + std::to_string(index) + " is not of integers");
            values.push_back(static_cast<std::int64_t>(std::clamp(value, -most, most)));
        }
        return values;
    }

    // What older opsets have as an attribute, and later ones as an input; nothing if it is left out.
    std::optional<Sides> attribute_or_input(const std::string& name, std::size_t index) const {
        if (node.attributes.count(name)) return integers(name, {});
        if (has(index)) return integer_constant(index);
        return std::nullopt;
    }

    // Notes that the output is a constant.
    void set_constant(const Tensor& tensor) { constants_[node.outputs.at(0)] = tensor; }

    // Notes that the output is the constant that the first input is, if it is one.
    void copy_constant() {
        const auto entry = constants_.find(node.inputs.at(0));
        if (entry != constants_.end()) set_constant(Tensor(entry->second));
    }

    // Are the numbers of the first input indices that the network computes?
    bool is_index() const { return !node.inputs.empty() && index_limits_.count(node.inputs[0]); }

    // Below what the numbers of an input are; they have to be indices.
    std::int64_t index_limit(std::size_t index) const {
        require(index < node.inputs.size(), "an input or output is missing");
        if (constants_.count(node.inputs[index])) {
            const Sides values = integer_constant(index);
            require(!values.empty() && *std::min_element(values.begin(), values.end()) >= 0, "it has an index below 0");
            return *std::max_element(values.begin(), values.end()) + 1;
        }
        const auto limit = index_limits_.find(node.inputs[index]);
        require(limit != index_limits_.end(), "its indices are computed in an unknown way");
        return limit->second;
    }

    // Notes that the numbers of an output are indices below this limit.
    void set_index_limit(std::size_t output, std::int64_t limit) {
        if (output < node.outputs.size()) index_limits_[node.outputs[output]] = limit;
    }

    // The second input, one integer of at least 1.
    std::int64_t divisor() const {
        const Sides values = integer_constant(1);
        require(values.size() == 1 && values[0] >= 1 && values[0] <= max_dim,
                "its divisor is not one positive integer");
        return values[0];
    }

private:
    const std::map<std::string, Sides>& shapes_;
    std::map<std::string, Tensor>& constants_;
    std::map<std::string, std::int64_t>& index_limits_;
};

// The shapes of an operator's outputs, and what makes them of its operands. Throws InferenceError.
using Made = std::vector<Sides>;
using Rule = Made (*)(InferenceContext&);

// An attribute that OpenCV does not heed, and its value by ONNX, at which that is harmless: an integer, or a string.
struct Default {
    const char* name = "";
    std::int64_t integer = 0;
    const char* string = nullptr;
};

// All that is known here of one of ONNX's operators, of its versions in opsets 7 to 22: its shape rule; the names of the
// attributes that OpenCV heeds; the other ones; which inputs may be constants of integers: sizes, axes, indices, quantized
// weights; and whether its output's numbers are indices where those of its first input are.
struct Operator {
    Rule rule = nullptr;
    std::vector<const char*> attributes = {};
    std::vector<Default> defaults = {};
    std::vector<std::size_t> integers = {};
    bool keeps_index = false;
};

using Operators = std::map<std::string, Operator>;

// Counts an axis, which may be counted from the end, from the start. Throws InferenceError.
inline std::size_t normalize_axis(std::int64_t axis, std::size_t rank) {
    const auto n = static_cast<std::int64_t>(rank);
    require(-n <= axis && axis < n, "there is no axis " + std::to_string(axis));
    return static_cast<std::size_t>((axis + n) % n);
}

inline std::string text_of(const Sides& values) {
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(values.size(), 8); ++i)
        text += (i ? ", " : "") + std::to_string(values[i]);
    return "[" + text + "]";
}

inline bool all_within(const Sides& values, std::int64_t least, std::int64_t most) {
    return std::all_of(values.begin(), values.end(), [&](std::int64_t v) { return least <= v && v <= most; });
}

inline Sides part_of(const Sides& sides, std::size_t first, std::size_t last) {
    return Sides(sides.begin() + static_cast<std::ptrdiff_t>(first), sides.begin() + static_cast<std::ptrdiff_t>(last));
}

// Axes counted from the start, each once.
inline std::set<std::size_t> normalize_axes(const Sides& axes, std::size_t rank) {
    std::set<std::size_t> found;
    for (const std::int64_t axis : axes) found.insert(normalize_axis(axis, rank));
    return found;
}

// The shape that two values broadcast to. Throws InferenceError.
inline Sides broadcast(Sides a, Sides b) {
    const std::size_t rank = std::max(a.size(), b.size());
    a.insert(a.begin(), rank - a.size(), 1);
    b.insert(b.begin(), rank - b.size(), 1);
    for (std::size_t i = 0; i < rank; ++i) {
        require(a[i] == b[i] || a[i] == 1 || b[i] == 1, "their shapes do not broadcast");
        if (a[i] == 1) a[i] = b[i];
    }
    return a;
}

inline Sides joined(Sides first, const Sides& rest) {
    first.insert(first.end(), rest.begin(), rest.end());
    return first;
}

// Of operators that take each number by itself: the shape stays.
inline Made unary(InferenceContext& ctx) { return {ctx.shape(0)}; }

// Of operators that take numbers of several values together, which broadcast to one shape.
inline Made elementwise(InferenceContext& ctx) {
    Sides shape = ctx.shape(0);
    for (std::size_t i = 1; i < ctx.node.inputs.size(); ++i) shape = broadcast(shape, ctx.shape(i));
    return {shape};
}

}  // namespace detail

// ------------------------------------------------------------------------------------------------------------- logical
//
// ONNX's group `logical`: comparisons and what they are joined by.

namespace detail {

inline const Operators logical_operators = {
    {"And", {elementwise}},  {"Equal", {elementwise}}, {"Greater", {elementwise}},
    {"Less", {elementwise}}, {"Not", {unary}},         {"Or", {elementwise}},
};

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------------- math
//
// ONNX's group `math`: arithmetic, functions of single numbers, matrices.

namespace detail {

inline Made matmul(InferenceContext& ctx) {
    const Sides &a = ctx.shape(0), &b = ctx.shape(1);
    require(a.size() >= 2 && b.size() >= 2 && a.back() == b[b.size() - 2], "rows and columns differ in length");
    const Sides outer = broadcast(part_of(a, 0, a.size() - 2), part_of(b, 0, b.size() - 2));
    const Sides made = joined(outer, {a[a.size() - 2], b.back()});
    ctx.multiplications = product(count_of(made), a.back());
    return {made};
}

inline Made gemm(InferenceContext& ctx) {
    Sides a = ctx.shape(0), b = ctx.shape(1);
    require(a.size() == 2 && b.size() == 2, "it needs two matrices");
    if (ctx.integer("transA", 0)) std::swap(a[0], a[1]);
    if (ctx.integer("transB", 0)) std::swap(b[0], b[1]);
    require(a[1] == b[0], "rows and columns differ in length");
    const Sides made{a[0], b[1]};
    require(!ctx.has(2) || broadcast(ctx.shape(2), made) == made, "its bias has another length");
    ctx.multiplications = product(count_of(made), a[1]);
    return {made};
}

inline Made softmax_shape(InferenceContext& ctx) {
    normalize_axis(ctx.integer("axis", -1), ctx.shape(0).size());
    return {ctx.shape(0)};
}

// Of indices, the integer part stays.
inline Made div(InferenceContext& ctx) {
    if (ctx.is_index()) ctx.set_index_limit(0, (ctx.index_limit(0) - 1) / ctx.divisor() + 1);
    return elementwise(ctx);
}

inline Made mod(InferenceContext& ctx) {
    require(ctx.is_index(), "it is of other numbers than indices");
    ctx.set_index_limit(0, std::min(ctx.index_limit(0), ctx.divisor()));
    return elementwise(ctx);
}

inline Made top_k(InferenceContext& ctx) {
    Sides shape = ctx.shape(0);
    const Sides k = ctx.integer_constant(1);
    const std::size_t axis = normalize_axis(ctx.integer("axis", -1), shape.size());
    require(k.size() == 1 && k[0] >= 1 && k[0] <= shape[axis], "there are fewer numbers than it takes");
    ctx.set_index_limit(1, shape[axis]);
    shape[axis] = k[0];
    return {shape, shape};
}

inline const Operators math_operators = {
    {"Abs", {unary}},
    {"Add", {elementwise}},
    {"Ceil", {unary}},
    {"Celu", {unary, {"alpha"}}},
    {"Clip", {unary, {"max", "min"}}},
    {"Cos", {unary}},
    {"Div", {div}},
    {"Elu", {unary, {"alpha"}}},
    {"Erf", {unary}},
    {"Exp", {unary}},
    {"Floor", {unary}},
    {"Gelu", {unary, {"approximate"}}},
    {"Gemm", {gemm, {"alpha", "beta", "transA", "transB"}}},
    {"HardSigmoid", {unary, {"alpha", "beta"}}},
    {"HardSwish", {unary}},
    {"LeakyRelu", {unary, {"alpha"}}},
    {"Log", {unary}},
    {"LogSoftmax", {softmax_shape, {"axis"}}},
    {"MatMul", {matmul}},
    {"Max", {elementwise}},
    {"Mean", {elementwise}},
    {"Min", {elementwise}},
    {"Mish", {unary}},
    {"Mod", {mod, {"fmod"}}},
    {"Mul", {elementwise}},
    {"Neg", {unary}},
    {"PRelu", {elementwise}},
    {"Pow", {elementwise}},
    {"Reciprocal", {unary}},
    {"Relu", {unary}},
    {"Round", {unary}},
    {"Selu", {unary, {"alpha", "gamma"}}},
    {"Sigmoid", {unary}},
    {"Sign", {unary}},
    {"Sin", {unary}},
    {"Softmax", {softmax_shape, {"axis"}}},
    {"Softplus", {unary}},
    {"Softsign", {unary}},
    {"Sqrt", {unary}},
    {"Sub", {elementwise}},
    {"Sum", {elementwise}},
    {"Swish", {unary}},
    {"Tanh", {unary}},
    {"ThresholdedRelu", {unary, {"alpha"}}},
    {"TopK", {top_k, {"axis", "largest", "sorted"}, {}, {1}}},
};

}  // namespace detail

// ------------------------------------------------------------------------------------------------------------------ nn
//
// ONNX's group `nn`: convolutions, pooling, normalisation.

namespace detail {

// Kernel, strides, dilations and pads of a convolution or pooling, each checked.
class SlidingWindow {
public:
    SlidingWindow(const InferenceContext& ctx, const Sides& its_kernel, std::size_t rank) {
        require(rank >= 1 && rank <= 3, "its input does not have one to three spatial dimensions");
        kernel = ctx.integers("kernel_shape", its_kernel);
        strides = ctx.integers("strides", Sides(rank, 1));
        const Sides dilations = ctx.integers("dilations", Sides(rank, 1));
        pads = ctx.integers("pads", Sides(2 * rank, 0));
        const auto check = [&](const char* name, const Sides& values) {
            require(values.size() == rank && all_within(values, 1, max_side), name + (" is " + text_of(values)));
        };
        check("kernel_shape", kernel);
        check("strides", strides);
        check("dilations", dilations);
        require(pads.size() == 2 * rank && all_within(pads, 0, max_side), "pads is " + text_of(pads));
        for (std::size_t i = 0; i < rank; ++i) reach.push_back((kernel[i] - 1) * dilations[i] + 1);
        area = count_of(kernel);
        auto_pad = ctx.string("auto_pad", "NOTSET");
        require(auto_pad == "NOTSET" || auto_pad == "VALID" || auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER",
                "its auto_pad is unknown");
        ceil_mode = ctx.integer("ceil_mode", 0) != 0;
    }

    // The spatial dimensions of the output, from all those of the input.
    Sides output(const Sides& x) const {
        Sides made;
        const std::size_t rank = kernel.size();
        for (std::size_t i = 0; i < rank; ++i) {
            const std::int64_t side = x[i + 2], stride = strides[i];
            if (auto_pad.substr(0, 4) == "SAME") {
                made.push_back((side + stride - 1) / stride);
                continue;
            }
            const std::int64_t padded = side + (auto_pad == "VALID" ? 0 : pads[i] + pads[i + rank]);
            const std::int64_t room = padded - reach[i];
            require(room >= 0, "its kernel of " + std::to_string(reach[i]) + " is larger than the " +
                                   std::to_string(padded) + " it slides along");
            made.push_back((room + (ceil_mode ? stride - 1 : 0)) / stride + 1);
        }
        return made;
    }

    Sides kernel, strides, pads, reach;
    std::int64_t area = 0;
    std::string auto_pad;
    bool ceil_mode = false;
};

inline Made conv(InferenceContext& ctx) {
    const Sides &x = ctx.shape(0), &weight = ctx.shape(1);
    require(x.size() >= 3 && weight.size() == x.size() && count_of(weight),
            "its weight has another number of dimensions");
    const std::int64_t group = ctx.integer("group", 1);
    require(group >= 1 && x[1] == product(weight[1], group) && weight[0] % group == 0,
            std::to_string(group) + " groups do not fit the channels");
    require(!ctx.has(2) || ctx.shape(2) == Sides{weight[0]}, "its bias has another length");
    const SlidingWindow window(ctx, part_of(weight, 2, weight.size()), x.size() - 2);
    require(window.kernel == part_of(weight, 2, weight.size()), "its weight is not of its kernel's size");
    const Sides made = joined({x[0], weight[0]}, window.output(x));
    ctx.multiplications = product(product(count_of(made), weight[1]), window.area);
    return {made};
}

inline Made conv_transpose(InferenceContext& ctx) {
    const Sides &x = ctx.shape(0), &weight = ctx.shape(1);
    require(x.size() >= 3 && weight.size() == x.size() && count_of(weight),
            "its weight has another number of dimensions");
    const std::int64_t group = ctx.integer("group", 1);
    require(group >= 1 && x[1] == weight[0] && weight[0] % group == 0,
            std::to_string(group) + " groups do not fit the channels");
    require(!ctx.has(2) || ctx.shape(2) == Sides{product(weight[1], group)}, "its bias has another length");
    const std::size_t rank = x.size() - 2;
    const SlidingWindow window(ctx, part_of(weight, 2, weight.size()), rank);
    require(window.kernel == part_of(weight, 2, weight.size()), "its weight is not of its kernel's size");
    require(window.auto_pad == "NOTSET", "its size is not stated by pads");
    const Sides extra = ctx.integers("output_padding", Sides(rank, 0));
    bool fits = extra.size() == rank;
    for (std::size_t i = 0; fits && i < rank; ++i) fits = extra[i] >= 0 && extra[i] < window.strides[i];
    require(fits, "output_padding is " + text_of(extra));
    Sides made{x[0], product(weight[1], group)};
    for (std::size_t i = 0; i < rank; ++i) {
        made.push_back((x[2 + i] - 1) * window.strides[i] + window.reach[i] + extra[i] - window.pads[i] -
                       window.pads[i + rank]);
        require(made.back() > 0, "its pads leave nothing");
    }
    ctx.multiplications = product(product(count_of(x), weight[1]), window.area);
    return {made};
}

inline Made pool(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    require(x.size() >= 3, "its input does not have one to three spatial dimensions");
    const SlidingWindow window(ctx, {}, x.size() - 2);
    for (std::size_t i = 0; i < window.pads.size(); ++i)
        require(window.pads[i] < window.reach[i % window.reach.size()], "its pads are as wide as its kernel");
    const Sides made = joined({x[0], x[1]}, window.output(x));
    ctx.multiplications = product(count_of(made), window.area);
    return {made};
}

inline Made global_pool(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    require(x.size() >= 3, "its input has no spatial dimensions");
    return {joined({x[0], x[1]}, Sides(x.size() - 2, 1))};
}

// With one number for each channel.
inline Made normalize_channels(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    require(x.size() >= 2, "it does not have one number per channel");
    for (std::size_t i = 1; i < ctx.node.inputs.size(); ++i)
        require(ctx.shape(i) == Sides{x[1]}, "it does not have one number per channel");
    return {x};
}

// Of channels; with one number for each channel.
inline Made normalize_groups(InferenceContext& ctx) {
    const std::int64_t groups = ctx.integer("num_groups", 0);
    const Made made = normalize_channels(ctx);
    require(groups >= 1 && made[0][1] % groups == 0, std::to_string(groups) + " groups do not fit the channels");
    return made;
}

inline Made normalize_layer(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::size_t axis = normalize_axis(ctx.integer("axis", -1), x.size());
    for (std::size_t i = 1; i < ctx.node.inputs.size(); ++i)
        require(ctx.shape(i) == part_of(x, axis, x.size()), "it does not have one number per element");
    return {x};
}

inline Made flatten(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::int64_t axis = ctx.integer("axis", 1), rank = static_cast<std::int64_t>(x.size());
    require(-rank <= axis && axis <= rank, "there is no axis " + std::to_string(axis));
    const auto middle = static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
    return {{count_of(part_of(x, 0, middle)), count_of(part_of(x, middle, x.size()))}};
}

inline Made dropout(InferenceContext& ctx) { return Made(ctx.node.outputs.size(), ctx.shape(0)); }  // its mask, too

// The attributes of a window, and more.
inline std::vector<const char*> window_and(const std::vector<const char*>& more) {
    std::vector<const char*> names = {"auto_pad", "dilations", "kernel_shape", "pads", "strides"};
    names.insert(names.end(), more.begin(), more.end());
    return names;
}

inline const Operators nn_operators = {
    {"AveragePool", {pool, window_and({"ceil_mode", "count_include_pad"})}},
    {"BatchNormalization", {normalize_channels, {"epsilon", "momentum"}, {{"spatial", 1}, {"training_mode", 0}}}},
    {"Conv", {conv, window_and({"group"})}},
    {"ConvTranspose", {conv_transpose, window_and({"group", "output_padding"})}},
    {"Dropout", {dropout, {"ratio", "seed"}}},
    {"Flatten", {flatten, {"axis"}, {}, {}, true}},
    {"GlobalAveragePool", {global_pool}},
    {"GlobalMaxPool", {global_pool}},
    {"GroupNormalization", {normalize_groups, {"epsilon", "num_groups"}, {{"stash_type", 1}}}},
    {"InstanceNormalization", {normalize_channels, {"epsilon"}}},
    {"LayerNormalization", {normalize_layer, {"axis", "epsilon"}, {{"stash_type", 1}}}},
    {"MaxPool", {pool, window_and({"ceil_mode", "storage_order"})}},
};

}  // namespace detail

// -------------------------------------------------------------------------------------------------------- quantization
//
// ONNX's group `quantization`: to integers of 8 bits and back.

namespace detail {

// With one scale, or one a channel.
inline Made quantize(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::size_t axis = x.size() > 1 ? normalize_axis(ctx.integer("axis", 1), x.size()) : 0;
    const Sides channel = axis < x.size() ? Sides{x[axis]} : Sides();
    for (std::size_t i = 1; i < std::max<std::size_t>(2, ctx.node.inputs.size()); ++i) {
        const Sides& shape = ctx.shape(i);
        require(shape.empty() || shape == Sides{1} || shape == channel,
                "its scale is neither one number nor one for each channel");
    }
    return {x};
}

inline const std::vector<Default> quantize_defaults = {
    {"block_size", 0}, {"output_dtype", 0}, {"precision", 0}, {"saturate", 1}};

inline const Operators quantization_operators = {
    {"DequantizeLinear", {quantize, {"axis"}, quantize_defaults, {0, 2}}},
    {"QuantizeLinear", {quantize, {"axis"}, quantize_defaults, {2}}},
};

}  // namespace detail

// ----------------------------------------------------------------------------------------------------------- reduction
//
// ONNX's group `reduction`: many numbers become one.

namespace detail {

inline Made reduce(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const Sides axes = ctx.attribute_or_input("axes", 1).value_or(Sides());
    const std::set<std::size_t> reduced = normalize_axes(axes, x.size());
    const bool keep = ctx.integer("keepdims", 1) != 0;
    Sides made;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const bool goes = axes.empty() || reduced.count(i);
        if (!goes) made.push_back(x[i]);
        if (goes && keep) made.push_back(1);
    }
    return {made};
}

inline const Operator reduce_operator = {reduce, {"axes", "keepdims"}, {{"noop_with_empty_axes", 0}}, {1}};

inline const Operators reduction_operators = {
    {"ReduceL2", reduce_operator},  {"ReduceMax", reduce_operator}, {"ReduceMean", reduce_operator},
    {"ReduceMin", reduce_operator}, {"ReduceSum", reduce_operator},
};

}  // namespace detail

// -------------------------------------------------------------------------------------------------------------- tensor
//
// ONNX's group `tensor`, with Constant of its `generator`: join, cut, scale, repeat, transpose, look up.

namespace detail {

inline Made concat(InferenceContext& ctx) {
    Sides made = ctx.shape(0);
    const std::size_t axis = normalize_axis(ctx.integer("axis", 1), made.size());
    for (std::size_t i = 1; i < ctx.node.inputs.size(); ++i) {
        Sides shape = ctx.shape(i);
        const std::int64_t more = axis < shape.size() ? shape[axis] : 0;
        if (axis < shape.size()) shape[axis] = made[axis];
        require(shape == made, "their dimensions differ");
        made[axis] += more;
    }
    return {made};
}

inline Made split(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::size_t axis = normalize_axis(ctx.integer("axis", 0), x.size());
    const auto count = static_cast<std::int64_t>(ctx.node.outputs.size());
    std::optional<Sides> parts = ctx.attribute_or_input("split", 1);
    if (!parts) {
        const std::int64_t size = (x[axis] + count - 1) / count;
        parts = Sides();
        for (std::int64_t i = 0; i < count; ++i) parts->push_back(std::min(size, x[axis] - size * i));
    }
    require(static_cast<std::int64_t>(parts->size()) == count && all_within(*parts, 0, x[axis]),
            "its parts are not the whole");
    Made made(parts->size(), x);
    std::int64_t total = 0;
    for (std::size_t i = 0; i < made.size(); ++i) total += made[i][axis] = (*parts)[i];
    require(total == x[axis], "its parts are not the whole");
    return made;
}

// How many elements a slice takes of a dimension, by Python's rules.
inline std::int64_t sliced(std::int64_t side, std::int64_t start, std::int64_t end, std::int64_t step) {
    const auto clamped = [&](std::int64_t at) {
        if (at < 0) at += side;
        return step > 0 ? std::clamp<std::int64_t>(at, 0, side) : std::clamp<std::int64_t>(at, -1, side - 1);
    };
    const std::int64_t first = clamped(start), last = clamped(end);
    const std::int64_t distance = step > 0 ? last - first : first - last, pace = step > 0 ? step : -step;
    return distance <= 0 ? 0 : (distance - 1) / pace + 1;
}

inline Made slice(InferenceContext& ctx) {
    Sides made = ctx.shape(0);
    const Sides starts = ctx.attribute_or_input("starts", 1).value_or(Sides()),
                ends = ctx.attribute_or_input("ends", 2).value_or(Sides());
    Sides axes = ctx.attribute_or_input("axes", 3).value_or(Sides()),
          steps = ctx.attribute_or_input("steps", 4).value_or(Sides());
    if (axes.empty())
        for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
    if (steps.empty()) steps.assign(starts.size(), 1);
    require(starts.size() == ends.size() && axes.size() == starts.size() && steps.size() == starts.size() &&
                !std::count(steps.begin(), steps.end(), 0),
            "its lists differ in length");
    for (std::size_t i = 0; i < starts.size(); ++i) {
        const std::size_t axis = normalize_axis(axes[i], made.size());
        made[axis] = sliced(ctx.shape(0)[axis], starts[i], ends[i], steps[i]);
        require(made[axis] > 0, "it leaves nothing");
    }
    return {made};
}

inline std::int64_t scaled(std::int64_t side, double scale) {
    require(scale > 0 && scale <= max_side, "its scale is " + std::to_string(scale));
    return static_cast<std::int64_t>(std::floor(static_cast<double>(side) * scale));
}

inline Made resize(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const bool upsample = ctx.node.op_type == "Upsample" || ctx.node.inputs.size() == 2;
    Sides sides;
    if (ctx.has(3) && ctx.shape(3) != Sides{0}) {
        sides = ctx.integer_constant(3);
    } else {
        std::vector<double> scales;
        if (const Attribute* const listed = ctx.attribute("scales", Attribute::Kind::reals, " list of numbers"))
            scales.assign(listed->reals.begin(), listed->reals.end());
        else
            scales = ctx.constant(upsample ? 1 : 2);
        require(scales.size() == x.size(), "it does not have one scale per dimension");
        for (std::size_t i = 0; i < x.size(); ++i) sides.push_back(scaled(x[i], scales[i]));
    }
    require(sides.size() == x.size() && all_within(sides, 1, max_dim),
            "its size does not have one number per dimension");
    require(x.size() < 3 || (sides[0] == x[0] && sides[1] == x[1]), "it scales more than height and width");
    return {sides};
}

inline Made reshape(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    Sides made = ctx.attribute_or_input("shape", 1).value_or(Sides());
    require(made.size() <= max_dimensions && all_within(made, -1, max_dim), "its shape is unusable");
    require(!std::count(made.begin(), made.end(), 0) || ctx.integer("allowzero", 0) == 0, "its shape has a 0");
    std::int64_t known = 1, open = 0;
    for (std::size_t i = 0; i < made.size(); ++i) {
        if (made[i] == 0 && i < x.size()) made[i] = x[i];
        if (made[i] == -1)
            ++open;
        else
            known = product(known, made[i]);
    }
    if (open) {
        require(open == 1 && known > 0 && count_of(x) % known == 0, "its shape leaves a dimension open");
        *std::find(made.begin(), made.end(), -1) = count_of(x) / known;
    }
    require(count_of(made) == count_of(x), "its shape holds another number of values");
    return {made};
}

inline Made transpose(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    Sides straight;
    for (std::size_t i = 0; i < x.size(); ++i) straight.push_back(static_cast<std::int64_t>(i));
    const Sides order = ctx.integers("perm", Sides(straight.rbegin(), straight.rend()));
    require(order.size() == x.size() && std::is_permutation(order.begin(), order.end(), straight.begin()),
            "its perm is not an order of the dimensions");
    Sides made;
    for (const std::int64_t i : order) made.push_back(x[static_cast<std::size_t>(i)]);
    return {made};
}

inline Made squeeze(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::optional<Sides> axes = ctx.attribute_or_input("axes", 1);
    const std::set<std::size_t> gone = normalize_axes(axes.value_or(Sides()), x.size());
    Sides made;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const bool leaves = axes ? gone.count(i) > 0 : x[i] == 1;
        require(!leaves || x[i] == 1, "a dimension that it leaves out is not 1");
        if (!leaves) made.push_back(x[i]);
    }
    return {made};
}

inline Made unsqueeze(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const Sides axes = ctx.attribute_or_input("axes", 1).value_or(Sides());
    const std::size_t rank = x.size() + axes.size();
    const std::set<std::size_t> fresh = normalize_axes(axes, rank);
    require(fresh.size() == axes.size() && rank <= max_dimensions, "its axes are unusable");
    Sides made;
    std::size_t next = 0;
    for (std::size_t i = 0; i < rank; ++i) made.push_back(fresh.count(i) ? 1 : x[next++]);
    return {made};
}

inline Made constant(InferenceContext& ctx) {
    require(ctx.node.attributes.size() == 1, "it holds no tensor");
    const std::string& name = ctx.node.attributes.begin()->first;
    const Attribute& value = ctx.node.attributes.begin()->second;
    Tensor tensor;
    if (name == "value" && value.kind == Attribute::Kind::tensor) {
        tensor = value.tensor;
    } else {
        const bool many = value.kind == Attribute::Kind::integers || value.kind == Attribute::Kind::reals;
        require((name == "value_int" || name == "value_float" || name == "value_ints" || name == "value_floats") &&
                    (many || value.kind == Attribute::Kind::integer || value.kind == Attribute::Kind::real),
                "it holds no tensor");
        for (const std::int64_t v : value.integers) tensor.values.push_back(static_cast<double>(v));
        for (const float v : value.reals) tensor.values.push_back(v);
        if (many) tensor.dims = {static_cast<std::int64_t>(tensor.values.size())};
    }
    ctx.set_constant(tensor);
    return {tensor.dims};
}

inline Made pad(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const Sides pads = ctx.attribute_or_input("pads", 1).value_or(Sides());
    require(!ctx.has(3), "its axes are an input");
    require(pads.size() == 2 * x.size() && all_within(pads, -max_side, max_side),
            "its pads are not two for each dimension");
    const bool repeats = ctx.string("mode", "constant") != "constant";
    Sides made;
    for (std::size_t i = 0; i < x.size(); ++i) {
        made.push_back(x[i] + pads[i] + pads[i + x.size()]);
        require(made.back() > 0, "its pads leave nothing");
    }
    for (std::size_t i = 0; i < pads.size(); ++i)
        require(!repeats || pads[i] < x[i % x.size()], "its pads are wider than what they repeat");
    return {made};
}

inline Made expand(InferenceContext& ctx) {
    const Sides sides = ctx.integer_constant(1);
    require(sides.size() <= max_dimensions && all_within(sides, 1, max_dim), "its shape is unusable");
    return {broadcast(ctx.shape(0), sides)};
}

inline Made tile(InferenceContext& ctx) {
    Sides made = ctx.shape(0);
    const Sides repeats = ctx.integer_constant(1);
    require(repeats.size() == made.size() && all_within(repeats, 1, max_dim),
            "it does not have one repeat per dimension");
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = product(made[i], repeats[i]);
    return {made};
}

inline Made space_to_depth(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::int64_t block = ctx.integer("blocksize", 0);
    require(x.size() == 4 && block >= 1 && block <= max_side && x[2] % block == 0 && x[3] % block == 0,
            "its blocks do not fit");
    return {{x[0], product(x[1], block * block), x[2] / block, x[3] / block}};
}

inline Made depth_to_space(InferenceContext& ctx) {
    const Sides& x = ctx.shape(0);
    const std::int64_t block = ctx.integer("blocksize", 0);
    require(x.size() == 4 && block >= 1 && block <= max_side && x[1] % (block * block) == 0, "its blocks do not fit");
    return {{x[0], x[1] / (block * block), x[2] * block, x[3] * block}};
}

// What it takes must be there: a network that reads beside a value is refused.
inline Made gather(InferenceContext& ctx) {
    const Sides &x = ctx.shape(0), &indices = ctx.shape(1);
    const std::size_t axis = normalize_axis(ctx.integer("axis", 0), x.size());
    require(ctx.index_limit(1) <= x[axis], "its indices go beyond what is there");
    const Sides made = joined(joined(part_of(x, 0, axis), indices), part_of(x, axis + 1, x.size()));
    require(made.size() <= max_dimensions, "it makes too many dimensions");
    return {made};
}

inline Made gather_elements(InferenceContext& ctx) {
    const Sides &x = ctx.shape(0), &indices = ctx.shape(1);
    const std::size_t axis = normalize_axis(ctx.integer("axis", 0), x.size());
    require(ctx.index_limit(1) <= x[axis] && indices.size() == x.size(), "its indices go beyond what is there");
    for (std::size_t i = 0; i < x.size(); ++i) require(i == axis || indices[i] <= x[i], "their dimensions differ");
    return {indices};
}

inline Made cast(InferenceContext& ctx) {
    const std::int64_t to = ctx.integer("to", 0);
    const bool is_real = to == 1 || to == 10 || to == 11;
    require(is_real || (ctx.is_index() && (to == 6 || to == 7)), "it casts to a type without fractions");
    ctx.copy_constant();
    return {ctx.shape(0)};
}

inline const Operators tensor_operators = {
    {"Cast", {cast, {"to"}, {{"saturate", 1}}, {}, true}},
    {"Concat", {concat, {"axis"}}},
    {"Constant", {constant, {"value", "value_float", "value_floats", "value_int", "value_ints"}}},
    {"DepthToSpace", {depth_to_space, {"blocksize", "mode"}}},
    {"Expand", {expand, {}, {}, {1}}},
    {"Gather", {gather, {"axis"}, {}, {0, 1}}},
    {"GatherElements", {gather_elements, {"axis"}, {}, {0, 1}}},
    {"Identity", {unary, {}, {}, {}, true}},
    {"Pad", {pad, {"mode", "pads", "value"}, {}, {1, 3}}},
    {"Reshape", {reshape, {"allowzero", "shape"}, {}, {1}, true}},
    {"Resize",
     {resize,
      {"coordinate_transformation_mode", "cubic_coeff_a", "extrapolation_value", "mode", "nearest_mode"},
      {{"antialias", 0}, {"exclude_outside", 0}, {"keep_aspect_ratio_policy", 0, "stretch"}},
      {3}}},
    {"Slice", {slice, {"axes", "ends", "starts"}, {}, {1, 2, 3, 4}}},
    {"SpaceToDepth", {space_to_depth, {"blocksize"}}},
    {"Split", {split, {"axis", "num_outputs", "split"}, {}, {1}}},
    {"Squeeze", {squeeze, {"axes"}, {}, {1}, true}},
    {"Tile", {tile, {}, {}, {1}, true}},
    {"Transpose", {transpose, {"perm"}, {}, {}, true}},
    {"Unsqueeze", {unsqueeze, {"axes"}, {}, {1}, true}},
    {"Upsample", {resize, {"mode", "scales"}}},
    {"Where", {elementwise}},
};

}  // namespace detail

// --------------------------------------------------------------------------------------------------------------- infer
//
// How much a network computes and holds at an input size: the shapes of all its values, from its graph alone. One record
// for each operator, from the groups beside this file. A graph with any other
// operator or attribute is refused: OpenCV would take it for any layer or option of its own, from whatever framework.
// Operators: https://github.com/onnx/onnx/blob/v1.16.0/docs/Operators.md

namespace detail {

constexpr std::int64_t max_alive = std::int64_t{1} << 30;  // numbers a forward pass may hold at one time: 4 GiB
constexpr std::int64_t max_work = 10000000000000;  // its multiplications; the largest YOLOv5 at 1280 has 4 · 10¹¹

// The record of an operator, or nullptr if it is unknown here.
inline const Operator* find_operator(const std::string& name) {
    for (const auto* const operators : {&math_operators, &logical_operators, &nn_operators, &quantization_operators,
                                        &reduction_operators, &tensor_operators}) {
        const auto entry = operators->find(name);
        if (entry != operators->end()) return &entry->second;
    }
    return nullptr;
}

// Checks that an attribute is one that OpenCV heeds, or has the value that ONNX gives it. Throws GraphError.
inline void check_attribute(const Node& node, const Operator& op, const std::string& name, const Attribute& value) {
    const auto is_name = [&](const char* each) { return name == each; };
    if (std::any_of(op.attributes.begin(), op.attributes.end(), is_name)) return;
    const auto found =
        std::find_if(op.defaults.begin(), op.defaults.end(), [&](const Default& each) { return is_name(each.name); });
    if (found == op.defaults.end()) throw GraphError(node.title + " has the unknown attribute " + name);
    const bool same = found->string ? value.kind == Attribute::Kind::text && value.text == found->string
                                    : value.kind == Attribute::Kind::integer && value.integers.at(0) == found->integer;
    const std::string shown = found->string ? "'" + std::string(found->string) + "'" : std::to_string(found->integer);
    if (!same) throw GraphError(node.title + " has another " + name + " than OpenCV takes, " + shown);
}

// The shapes of a node's inputs, for messages.
inline std::string inputs_of(const Node& node, const std::map<std::string, Sides>& shapes) {
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(node.inputs.size(), 8); ++i) {
        if (node.inputs[i].empty()) continue;
        std::string sides;
        for (const std::int64_t side : shapes.at(node.inputs[i]))
            sides += (sides.empty() ? "" : "×") + std::to_string(side);
        text += (text.empty() ? "" : ", ") + (sides.empty() ? std::string("1") : sides);
    }
    return text;
}

// Checks what the network computes for an input of this shape (N, C, H, W). Gives the shapes of its outputs. Throws
// GraphError, which names the operator that does not fit, or the budget.
inline std::vector<Sides> check_size(const Graph& graph, const Sides& shape) {
    std::map<std::string, Sides> shapes;
    for (const auto& tensor : graph.tensors) shapes[tensor.first] = tensor.second.dims;
    if (graph.input_dims[1] != 0 && graph.input_dims[1] != shape[1])
        throw GraphError("its input has " + std::to_string(graph.input_dims[1]) + " channels, not " +
                         std::to_string(shape[1]));
    shapes[graph.input] = shape;
    std::map<std::string, std::size_t> last_use;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i)
        for (const std::string& name : graph.nodes[i].inputs) last_use[name] = i;
    for (const std::string& name : graph.outputs) last_use[name] = graph.nodes.size();

    std::map<std::string, Tensor> constants = graph.tensors;
    std::map<std::string, std::int64_t> index_limits;
    std::int64_t alive = count_of(shape), work = 0;
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const Node& node = graph.nodes[i];
        const Operator* const op = find_operator(node.op_type);
        if (!op) throw GraphError(node.title + " is of an operator that is unknown here" + unsupported(node.op_type));
        for (const auto& [name, value] : node.attributes) check_attribute(node, *op, name, value);
        InferenceContext context(node, shapes, constants, index_limits);
        for (std::size_t k = 0; k < node.inputs.size(); ++k) {
            const auto tensor = constants.find(node.inputs[k]);
            if (tensor == constants.end() || !tensor->second.whole || context.is_index()) continue;
            if (std::find(op->integers.begin(), op->integers.end(), k) == op->integers.end())
                throw GraphError(node.title + " reads integers, " + show(node.inputs[k]) +
                                 ", where it needs floating-point numbers");
        }
        Made made;
        try {
            made = op->rule(context);
        } catch (const InferenceError& error) {
            throw GraphError(node.title + " does not fit its inputs of " + inputs_of(node, shapes) + ": " +
                             error.what());
        }
        if (made.size() < node.outputs.size())
            throw GraphError(node.title + " has " + std::to_string(node.outputs.size()) + " outputs");
        work += context.multiplications;
        for (std::size_t k = 0; k < node.outputs.size(); ++k) {
            if (node.outputs[k].empty()) continue;
            if (count_of(made[k]) == 0 && node.op_type != "Constant")
                throw GraphError(node.title + " leaves nothing of its input");
            if (op->keeps_index && context.is_index()) index_limits[node.outputs[k]] = context.index_limit(0);
            shapes[node.outputs[k]] = made[k];
            alive = std::min(alive + count_of(made[k]), max_alive + 1);
        }
        if (alive > max_alive || work > max_work)
            throw GraphError("for an input of " + std::to_string(shape[2]) + " × " + std::to_string(shape[3]) +
                             " it needs more than " + std::to_string(max_alive * 4 >> 30) +
                             " GiB of values or 1e+13 multiplications, from " + node.title + " on");
        std::set<std::string> names(node.inputs.begin(), node.inputs.end());
        names.insert(node.outputs.begin(), node.outputs.end());
        for (const std::string& name : names) {
            const auto use = last_use.find(name);
            if (!name.empty() && !graph.tensors.count(name) && (use == last_use.end() ? i : use->second) == i)
                alive -= count_of(shapes.at(name));
        }
    }
    std::vector<Sides> outputs;
    for (const std::string& name : graph.outputs) outputs.push_back(shapes.at(name));
    return outputs;
}

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------------- file
//
// Reading the model file: the network's bytes for OpenCV, and its metadata. The file is ONNX, that is a protobuf message.
// What the walk through it promises stands in runtime/model/graph.py.

// A model file that was read and checked, once; Detector and Classifier take it in place of a path. Several may share
// one, and nobody writes to it.
struct ModelFile {
    std::filesystem::path path;                   // where it was read; it is not read again
    std::vector<unsigned char> buffer;            // its bytes, in the form for OpenCV: Swish nodes lose their domain
    std::map<std::string, std::string> metadata;  // its metadata_props by key; `producer` is the program that wrote it
    detail::Graph graph;
    std::map<detail::Sides, std::vector<detail::Sides>> outputs;  // shapes by the input's, of those that it states

    // Checks that the network may run on an input of this shape, (N, C, H, W). Gives the shapes of the outputs.
    // Throws ModelError if the values in between would take too much memory or time, or do not fit one another.
    std::vector<detail::Sides> check_input(const detail::Sides& shape) const {
        const auto known = outputs.find(shape);
        if (known != outputs.end()) return known->second;
        try {
            return detail::check_size(graph, shape);
        } catch (const detail::GraphError& error) {
            throw ModelError(detail::utf8(path) + " is refused: " + error.what());
        }
    }
};

namespace detail {

constexpr std::uintmax_t max_model_bytes = 0x7FFFFFFF;  // protobuf's own limit

inline bool is_checkpoint(const std::filesystem::path& path) {
    return path.extension() == ".pt" || path.extension() == ".pth";
}

// What a file of another format that export.py writes is, by its suffix; empty for every other file.
inline std::string other_format(const std::filesystem::path& path) {
    static const std::map<std::string, std::string> formats = {
        {".engine", "a TensorRT engine"},          {".tflite", "a TensorFlow Lite model"},
        {".torchscript", "a TorchScript program"}, {".mlmodel", "a Core ML model"},
        {".mlpackage", "a Core ML model"},         {".pb", "a TensorFlow graph"},
    };
    const auto entry = formats.find(utf8(path.extension()));
    return entry == formats.end() ? "" : entry->second;
}
constexpr std::size_t max_metadata = 100;
constexpr std::size_t max_text = std::size_t{1} << 20;  // bytes of one text of metadata

namespace onnx {
inline const std::vector<Kind> model = {
    {2, "producer_name", Value::span},
    {3, "producer_version", Value::span},
    {7, "graph", Value::span},
    {14, "metadata_props", Value::span, true},
    {20, "training_info", Value::span, true},
    {25, "functions", Value::span, true},
};
inline const std::vector<Kind> entry = {{1, "key", Value::span}, {2, "value", Value::span}};
}  // namespace onnx

// The shape of the input that the graph states, and the one that the metadata states, if it is usable.
inline std::set<Sides> input_shapes(const Graph& graph, const std::map<std::string, std::string>& metadata) {
    const auto or_else = [](std::int64_t side, std::int64_t otherwise) { return side ? side : otherwise; };
    const Sides& dims = graph.input_dims;
    const Sides stated{or_else(dims[0], 1), or_else(dims[1], 3), or_else(dims[2], 640), or_else(dims[3], 640)};
    std::set<Sides> shapes{stated};
    try {
        const auto fold = metadata.find("fold"), imgsz = metadata.find("imgsz");
        const double divisor = fold == metadata.end() ? 1 : JsonReader::read(fold->second).number;
        const Json sides = imgsz == metadata.end() ? Json() : JsonReader::read(imgsz->second);
        if (sides.items.size() == 2 && divisor >= 1) {
            const double height = std::floor(sides.items[0].number / divisor);
            const double width = std::floor(sides.items[1].number / divisor);
            if (height >= 1 && height <= max_side && width >= 1 && width <= max_side)
                shapes.insert({1, stated[1], static_cast<std::int64_t>(height), static_cast<std::int64_t>(width)});
        }
    } catch (const Invalid&) {  // read_info will say what is wrong with them
    }
    return shapes;
}

// Adds the image's channels to the metadata of a file that does not say them, if they are not the usual 3. `stated` are
// those of the graph's input, 0 if it says none. Throws GraphError if the metadata says another number.
inline void add_channels(std::int64_t stated, std::map<std::string, std::string>& metadata) {
    double fold = 1, told = 3;
    try {
        const auto number = [&](const char* key, double& value) {
            const auto entry = metadata.find(key);
            if (entry == metadata.end()) return;
            const Json json = JsonReader::read(entry->second);
            if (json.type != Json::Type::number) throw Invalid("not a number");
            value = json.number;
        };
        number("fold", fold);
        number("channels", told);
    } catch (const Invalid&) {
        return;  // read_info says what is wrong
    }
    if (!(told >= 1 && told <= max_side)) return;  // nor that
    if (!stated || fold < 1 || static_cast<double>(stated) == told * fold * fold) return;
    if (metadata.count("channels"))
        throw GraphError("its metadata says " + std::to_string(static_cast<int>(told)) +
                         " channels, and its network's input has " + std::to_string(stated));
    if (fold == 1) metadata["channels"] = std::to_string(stated);
}

// Collects the metadata of a ModelFile's bytes, checks its graph, and frees its Swish nodes from their domain: SiLU is written as a
// function `Swish` of the model's own domain. OpenCV looks for a layer called `domain.Swish`, finds none, and would
// refuse the file, although it has a layer `Swish`, faster than a Sigmoid and a Mul. Under another field number of the
// same length the domain is skipped as unknown. Throws Invalid or GraphError.
inline void walk_model(ModelFile& file) {
    ProtoReader reader(file.buffer);
    const ProtoMessage parts = reader.message({0, 0, file.buffer.size()}, onnx::model);
    if (!parts.has("graph")) throw Invalid("it holds no graph");
    if (parts.has("training_info")) throw GraphError("it has a part for training");
    if (parts.spans("metadata_props").size() > max_metadata)
        throw GraphError("it has more than " + std::to_string(max_metadata) + " texts of metadata");
    std::map<std::string, std::string> metadata;
    for (const Span& place : parts.spans("metadata_props")) {
        const ProtoMessage entry = reader.message(place, onnx::entry);
        if (!entry.has("key") || !entry.has("value")) continue;
        const std::string key = reader.text(entry.span("key"), max_name);
        if (!metadata.emplace(key, reader.text(entry.span("value"), max_text)).second)
            throw GraphError("it has the metadata '" + escape(key, 80) + "' twice");
    }
    std::string producer;
    for (const char* label : {"producer_name", "producer_version"}) {
        const std::string text = parts.has(label) ? reader.text(parts.span(label), max_name) : "";
        producer += (producer.empty() || text.empty() ? "" : " ") + text;
    }
    metadata.emplace("producer", producer);

    for (const Span& place : parts.spans("functions")) check_function(reader, place);
    file.graph = read_graph(reader, parts.span("graph"));
    const Graph& graph = file.graph;
    for (const Sides& shape : input_shapes(graph, metadata)) file.outputs[shape] = check_size(graph, shape);
    for (const Span& place : graph.domains) file.buffer[place.tag] = tag_of(hidden_field);
    if ((graph.input_dims[3] == 1 || graph.input_dims[3] == 3) && graph.input_dims[1] != 1 && graph.input_dims[1] != 3)
        throw ExportError("takes its channels last, (N, H, W, C), as TensorFlow does; export it with channels first");
    const auto& [largest, outputs] = *file.outputs.rbegin();
    file.metadata =
        own_metadata(metadata, largest, !graph.input_dims[2] || !graph.input_dims[3], outputs, input_scale(graph));
    add_channels(graph.input_dims[1], file.metadata);
}

}  // namespace detail

// Reads an ONNX file and checks all that runtime/model/graph.py promises of it.
// Throws ModelError if there is no such file or it isn't an ONNX model.
inline ModelFile read_model(const std::filesystem::path& path) {
    const std::string name = detail::utf8(path);
    std::error_code error;
    if (!std::filesystem::exists(path, error))
        throw ModelError(detail::is_checkpoint(path)
                             ? "there is no file " + name
                             : "there is no model file " + name + "; " + detail::how_to_make(path));
    const std::string other = detail::other_format(path);
    if (!other.empty()) throw ModelError(name + " is " + other + ", not an ONNX model; " + detail::how_to_convert);
    if (!std::filesystem::is_regular_file(path, error)) throw ModelError(name + " is not a file");
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error) throw ModelError(name + " cannot be read: " + error.message());
    if (size > detail::max_model_bytes)
        throw ModelError(name + " has " + std::to_string(size) + " bytes, more than an ONNX file can have");

    ModelFile model;
    model.path = path;
    model.buffer.resize(static_cast<std::size_t>(size));
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(model.buffer.data()), static_cast<std::streamsize>(size)))
        throw ModelError(name + " cannot be read");
    const std::string_view head(reinterpret_cast<const char*>(model.buffer.data()), model.buffer.size());
    if (head.substr(0, 4) == "PK\x03\x04" || head.substr(0, 2) == "\x80\x02")
        throw ModelError(name + " is a PyTorch checkpoint, not an ONNX model; " + detail::how_to_convert_this(name));
    try {
        detail::walk_model(model);
    } catch (const detail::ExportError& unknown) {
        throw ModelError(name + " " + unknown.what() + "; " + detail::how_to_convert);
    } catch (const detail::ExternalDataError& refusal) {
        std::filesystem::path whole = path;
        whole.replace_filename(path.stem().concat("-one-file.onnx"));
        throw ModelError(name + " is refused: " + refusal.what() +
                         "; make it one file with: python -c 'import onnx, sys; onnx.save(onnx.load(sys.argv[1]), "
                         "sys.argv[2])' " +
                         detail::shell_quoted(name) + " " + detail::shell_quoted(detail::utf8(whole)));
    } catch (const detail::GraphError& refusal) {
        throw ModelError(name + " is refused: " + refusal.what());
    } catch (const detail::Invalid& invalid) {
        if (detail::is_checkpoint(path))
            throw ModelError(name + " is not an ONNX model; " + detail::how_to_convert_this(name));
        throw ModelError(name + " is not an ONNX model, or a damaged one: " + invalid.what());
    }
    return model;
}

// ------------------------------------------------------------------------------------------------------------- network
//
// The network as OpenCV runs it. What differs between OpenCV's versions is dealt with here.

namespace detail {

#if defined(__GLIBC__) && CV_VERSION_MAJOR >= 5
// Tells glibc to keep large buffers that are freed for the next ones that are asked for.
//
// OpenCV 5's new engine asks for its intermediate maps anew in each forward pass. By default glibc takes buffers of that
// size from the system and gives them back, and each of their pages is zeroed again when it is touched. The process takes
// no more memory for it. Other systems' C libraries have no such switch, and need none here.
//
// glibc before 2.35 takes no threshold above 32 MB. Without one, the other limit is left alone, too: setting either
// stops glibc from raising both by itself.
inline void keep_freed_memory() {
    static std::once_flag once;
    std::call_once(once, [] {
        if (mallopt(M_MMAP_THRESHOLD, 1 << 30) || mallopt(M_MMAP_THRESHOLD, 32 << 20))
            mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
    });
}
#endif

#if CV_VERSION_MAJOR >= 5
// A file of these bytes, which is there as long as this is.
class TemporaryFile {
public:
    // Throws ModelError.
    explicit TemporaryFile(const std::vector<unsigned char>& bytes) {
        std::random_device random;
        const std::uint64_t number = std::uint64_t{random()} << 32 | random();
        path_ = std::filesystem::temp_directory_path() / ("yolov5_dnn-" + std::to_string(number) + ".onnx");
        // "x": a file that is there already, somebody else's, is none of ours
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path_.string().c_str(), "wbx"),
                                                                   std::fclose);
        if (!file) throw ModelError(utf8(path_) + " cannot be written");
        const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
        if (written && std::fflush(file.get()) == 0) return;
        remove();
        throw ModelError(utf8(path_) + " cannot be written");
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() { remove(); }

    std::string path() const { return path_.string(); }

private:
    void remove() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }

    std::filesystem::path path_;
};

// Loads into onnxruntime, as an engine of OpenCV 5, which takes as many threads as there are cores. It reads files only,
// and not the model file itself, which could have changed since it was checked.
inline cv::dnn::Net load_onnxruntime(const ModelFile& model, bool dynamic) {
    const TemporaryFile file(for_onnxruntime(model.buffer, dynamic));
    cv::dnn::Net net = cv::dnn::readNetFromONNX(file.path(), cv::dnn::ENGINE_ORT);
    net.finalizeNet();  // reads the file, which otherwise waits for the first forward pass
    return net;
}
#endif

// Says, of a file that OpenCV 4 cannot read, what can: for the end of a message.
inline std::string newer_opencv() {
    return CV_VERSION_MAJOR >= 5 ? "" : "; OpenCV 5 reads more, or export it again with --opset 12";
}

// Whether a network counts indices, which only the new engine of OpenCV 5 does rightly. Throws ModelError elsewhere.
inline void check_indices(const ModelFile& model, const ModelInfo& info, const Device& device) {
    if (info.decoded != "end-to-end" || (CV_VERSION_MAJOR >= 5 && device.name == "cpu")) return;
    throw ModelError(utf8(model.path) +
                     " chooses its boxes by whole numbers, which OpenCV " CV_VERSION " on the device " + device.name +
                     " takes for fractions: run it with OpenCV 5 on the cpu, or export it without NMS");
}

inline cv::dnn::Net load_net(const ModelFile& model, const Device& device, bool dynamic) {
    try {
#if CV_VERSION_MAJOR >= 5
        // The new engine runs on the CPU only; the other devices need the classic one. This overload, because in 5.0
        // the one that takes a vector forgets the engine.
        if (device.name == "onnxruntime") return load_onnxruntime(model, dynamic);
        const bool is_cpu = device.name == "cpu";
#if defined(__GLIBC__)
        if (is_cpu) keep_freed_memory();
#endif
        cv::dnn::Net net =
            cv::dnn::readNetFromONNX(reinterpret_cast<const char*>(model.buffer.data()), model.buffer.size(),
                                     is_cpu ? cv::dnn::ENGINE_AUTO : cv::dnn::ENGINE_CLASSIC);
        if (is_cpu) return net;
#else
        static_cast<void>(dynamic);  // only onnxruntime needs to be told
        cv::dnn::Net net = cv::dnn::readNetFromONNX(model.buffer);
#endif
        net.setPreferableBackend(device.backend);
        net.setPreferableTarget(device.target);
        return net;
    } catch (const std::exception& error) {
        throw ModelError("OpenCV " CV_VERSION " cannot load " + utf8(model.path) + ": " + reason(error) +
                         newer_opencv());
    }
}

// The names that a network's outputs should have, in order, if it has them: OpenCV 4 lists outputs as their nodes come.
inline std::vector<cv::String> in_order(const std::vector<Output>& outputs, const std::vector<cv::String>& found) {
    std::vector<cv::String> named;
    for (const Output& output : outputs) named.push_back(output.name);
    return named.size() == found.size() && std::is_permutation(named.begin(), named.end(), found.begin()) ? named
                                                                                                          : found;
}

inline std::string text_of(const Shape& shape) {
    std::string text;
    for (const int side : shape)
        text += (text.empty() ? "" : ", ") + (side < 0 ? std::string("any") : std::to_string(side));
    return "(" + text + ")";
}

}  // namespace detail

// A loaded network: call it on a blob to get its raw outputs.
class Network {
public:
    // `info` comes from `read_info`.
    // Throws ModelError if OpenCV cannot load the network, or it hasn't as many outputs as `info` describes.
    Network(const ModelFile& model, const ModelInfo& info, const Device& device)
        : info_(info), path_(detail::utf8(model.path)),
          net_((detail::check_indices(model, info, device), detail::load_net(model, device, info.dynamic))),
          names_(detail::in_order(info.head->outputs(info, info.imgsz), net_.getUnconnectedOutLayersNames())) {
        const std::size_t expected = info.head->outputs(info, info.imgsz).size();
        if (names_.size() != expected)
            throw ModelError(path_ + " has " + std::to_string(names_.size()) + " outputs, but its metadata describe " +
                             std::to_string(expected));
#if CV_VERSION_MAJOR >= 5
        if (device.name == "cpu" && info.decoded != "end-to-end") buffer_ = model.buffer;
#endif
    }

    // Runs forward on what `to_blob` made. The outputs are the network's own, and the next call overwrites them.
    // Throws ModelError if OpenCV fails, or an output has another shape than the ModelInfo asks for.
    const std::vector<cv::Mat>& operator()(const cv::Mat& blob) {
        const cv::Size size(blob.size[3] * info_.fold, blob.size[2] * info_.fold);
        try {
            forward(blob);
        } catch (const std::exception& error) {
            throw ModelError("OpenCV cannot run " + path_ + " at " + std::to_string(size.height) + " × " +
                             std::to_string(size.width) + ": " + detail::reason(error));
        }
        check_outputs(size);
        return outputs_;
    }

private:
    // Runs the network; where OpenCV 5's new engine fails at the first pass, in the classic one. In 5.0.0 the new one fails
    // on x · conv(x) where the convolution has one channel, as attention has it (CBAM).
    void forward(const cv::Mat& blob) {
#if CV_VERSION_MAJOR >= 5
        std::vector<unsigned char> buffer;
        buffer.swap(buffer_);
        try {
            net_.setInput(blob);
            net_.forward(outputs_, names_);
        } catch (const cv::Exception&) {
            if (buffer.empty()) throw;
            cv::dnn::Net net = cv::dnn::readNetFromONNX(reinterpret_cast<const char*>(buffer.data()), buffer.size(),
                                                        cv::dnn::ENGINE_CLASSIC);
            net.setInput(blob);
            net.forward(outputs_, names_);
            net_ = net;
            std::cerr << "warning: the new engine of OpenCV " CV_VERSION " cannot run " << escape(path_, 1000)
                      << "; its classic engine runs it, which is slower\n";
        }
#else
        net_.setInput(blob);
        net_.forward(outputs_, names_);
#endif
    }

    void check_outputs(cv::Size size) {
        if (size != size_) {
            expected_ = info_.head->outputs(info_, size);
            size_ = size;
        }
        const auto fits = [](int wanted, int side) { return wanted == side || wanted < 0; };
        for (std::size_t i = 0; i < expected_.size(); ++i) {
            const cv::Mat& output = outputs_.at(i);
            const Shape& shape = expected_[i].shape;
            if (std::equal(shape.begin(), shape.end(), output.size.p, output.size.p + output.dims, fits)) continue;
            throw ModelError(path_ + " gives an output of shape " +
                             detail::text_of(Shape(output.size.p, output.size.p + output.dims)) + " where " +
                             std::to_string(info_.names.size()) + " classes and the other metadata make " +
                             detail::text_of(shape));
        }
    }

    ModelInfo info_;
    std::string path_;  // as UTF-8
    cv::dnn::Net net_;
    std::vector<cv::String> names_;
    std::vector<cv::Mat> outputs_;
#if CV_VERSION_MAJOR >= 5
    std::vector<unsigned char> buffer_;  // until a pass has succeeded, for the other engine
#endif

    cv::Size size_;                 // of the last input,
    std::vector<Output> expected_;  // and what its outputs must be
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

// --------------------------------------------------------------------------------------------------------------- tiles
//
// Small objects in large pictures: overlapping tiles at full resolution, the whole picture as well, and one answer from
// all of them.
//
// What a tile's edge cuts through is found in part. A neighbour holds it whole if it is no larger than the overlap, and
// the whole picture shows it if it is large; what is left are pieces of things in between, which are put together.

constexpr int min_tile = 32;           // pixels
constexpr double tile_overlap = 0.25;  // of a tile's side that its neighbour shows, too, at least

// A part of an image, in pixels.
struct Window {
    int left = 0, top = 0, right = 0, bottom = 0;
};

namespace detail {

constexpr double cut_edge = 0.015;  // of a window's side: a box that comes so near to an edge of it is cut there
constexpr float same_share = 0.6F;  // of the smaller one's area, in what two windows see: two boxes show the same thing

// Where tiles start along an axis.
inline std::vector<int> tile_starts(int length, int side) {
    if (length <= side) return {0};
    const int gaps = static_cast<int>(std::ceil((length - side) / (side * (1 - tile_overlap))));
    std::vector<int> starts;
    for (int i = 0; i <= gaps; ++i) starts.push_back(round(static_cast<double>(i) * (length - side) / gaps));
    return starts;
}

// Brings what was found in a window to the image's pixels.
inline Detection moved(const Detection& found, const Window& window, cv::Size image) {
    Detection result = found;
    result.box += cv::Point2f(static_cast<float>(window.left), static_cast<float>(window.top));
    for (cv::Point2f& point : result.keypoints)
        point += cv::Point2f(static_cast<float>(window.left), static_cast<float>(window.top));
    if (found.mask.empty()) return result;
    result.mask = {found.mask.window(), {}, image};
    result.mask.bitmap.corner += cv::Point(window.left, window.top);
    return result;
}

// Whether a box, in its window's pixels, reaches an edge of it that is not the image's.
inline bool is_cut(const cv::Rect2f& box, const Window& window, cv::Size image) {
    const int width = window.right - window.left, height = window.bottom - window.top;
    const double margin = cut_edge * std::max(width, height);
    const cv::Point2f corner = box.br();
    return (window.left > 0 && box.x < static_cast<float>(margin)) ||
           (window.top > 0 && box.y < static_cast<float>(margin)) ||
           (window.right < image.width && corner.x > static_cast<float>(width - margin)) ||
           (window.bottom < image.height && corner.y > static_cast<float>(height - margin));
}

// What two boxes, x1 y1 x2 y2, have in common where both their windows see, as a share of the smaller one's area there.
inline float share_in_common(const cv::Vec4f& box, const Window& window, const cv::Vec4f& other, const Window& others) {
    const auto low_x = static_cast<float>(std::max(window.left, others.left));
    const auto low_y = static_cast<float>(std::max(window.top, others.top));
    const auto high_x = static_cast<float>(std::min(window.right, others.right));
    const auto high_y = static_cast<float>(std::min(window.bottom, others.bottom));
    const auto within = [&](const cv::Vec4f& each) {  // windows that see nothing in common leave no area
        const auto clip = [](float value, float low, float high) { return std::min(std::max(value, low), high); };
        return cv::Vec4f(clip(each[0], low_x, high_x), clip(each[1], low_y, high_y), clip(each[2], low_x, high_x),
                         clip(each[3], low_y, high_y));
    };
    const auto area = [](float width, float height) { return std::max(width, 0.0F) * std::max(height, 0.0F); };
    const cv::Vec4f a = within(box), b = within(other);
    const float common = area(std::min(a[2], b[2]) - std::max(a[0], b[0]), std::min(a[3], b[3]) - std::max(a[1], b[1]));
    const float smaller = std::min(area(a[2] - a[0], a[3] - a[1]), area(b[2] - b[0], b[3] - b[1]));
    return common / std::max(smaller, 1e-9F);
}

// Makes one mask of several of one image, whose bitmaps lie in its pixels.
inline Mask united(const std::vector<Mask>& masks) {
    cv::Rect reach;
    for (const Mask& mask : masks) reach |= cv::Rect(mask.bitmap.corner, mask.bitmap.pixels.size());
    Mask whole{{reach.tl(), cv::Mat::zeros(reach.size(), CV_8U)}, {}, masks.at(0).image};
    for (const Mask& mask : masks) {
        if (mask.bitmap.pixels.empty()) continue;
        cv::Mat part = whole.bitmap.pixels(cv::Rect(mask.bitmap.corner - reach.tl(), mask.bitmap.pixels.size()));
        part |= mask.bitmap.pixels;
    }
    return whole;
}

}  // namespace detail

// Lays tiles of `side` × `side` pixels, at least `min_tile`, over an image, evenly, as few as overlap by `tile_overlap`.
// Gives the whole image first, then the tiles row by row; for an image no larger than a tile, only itself.
inline std::vector<Window> tile_windows(cv::Size image, int side) {
    std::vector<Window> windows = {{0, 0, image.width, image.height}};
    if (std::max(image.width, image.height) <= side) return windows;
    for (const int top : detail::tile_starts(image.height, side))
        for (const int left : detail::tile_starts(image.width, side))
            windows.push_back({left, top, std::min(left + side, image.width), std::min(top + side, image.height)});
    return windows;
}

// Makes one answer of what was found in each window, each in its own window's pixels.
//
// Whole boxes compete as in `nms`. A piece, cut off by a tile's edge, that shows the same as a whole box of its class in
// what both their windows see, gives way to it; pieces that show the same become one box around all of them, with the
// best one's score. (With `agnostic`, of any class.) A mask becomes the union of its pieces; keypoints are those of the
// best piece.
//
// Gives detections in the image's pixels, best first, at most `max_det`. Throws InputError if there are not as many
// parts as windows.
inline std::vector<Detection> merge_windows(const std::vector<std::vector<Detection>>& parts,
                                            const std::vector<Window>& windows, cv::Size image, double iou_thres,
                                            int max_det, bool agnostic = false) {
    if (parts.size() != windows.size())
        throw InputError("there are " + std::to_string(parts.size()) + " parts of " + std::to_string(windows.size()) +
                         " windows");
    std::vector<Detection> joined;
    Candidates boxes;                // of the joined,
    std::vector<std::size_t> seen;   // and the window of each
    std::vector<int> whole, pieces;  // indices of the joined
    for (std::size_t w = 0; w < windows.size(); ++w) {
        for (const Detection& found : parts[w]) {
            const bool cut = detail::is_cut(found.box, windows[w], image);
            (cut ? pieces : whole).push_back(static_cast<int>(joined.size()));
            joined.push_back(detail::moved(found, windows[w], image));
            const cv::Rect2f& box = joined.back().box;
            boxes.xyxy.push_back({box.x, box.y, box.br().x, box.br().y});
            boxes.scores.push_back(found.score);
            boxes.class_ids.push_back(found.class_id);
            seen.push_back(w);
        }
    }

    struct Group {
        bool cut = false;                  // whether it is of pieces
        std::vector<std::size_t> members;  // indices of the joined, best first
    };
    std::vector<Group> groups;
    std::vector<std::pair<std::size_t, std::size_t>> grouped;  // indices of the joined, and of each one's group
    Candidates chosen;
    std::vector<int> kept;
    boxes.select(whole, chosen);
    nms(chosen, iou_thres, max_det, agnostic, kept);
    for (const int k : kept) {
        const auto i = static_cast<std::size_t>(whole[static_cast<std::size_t>(k)]);
        grouped.emplace_back(i, groups.size());
        groups.push_back({false, {i}});
    }
    std::stable_sort(pieces.begin(), pieces.end(), [&](int a, int b) {
        return boxes.scores[static_cast<std::size_t>(a)] > boxes.scores[static_cast<std::size_t>(b)];
    });
    for (const int piece : pieces) {
        const auto i = static_cast<std::size_t>(piece);
        float most = 0;
        std::size_t group = groups.size();
        for (const auto& [j, its_group] : grouped) {
            if (!agnostic && boxes.class_ids[j] != boxes.class_ids[i]) continue;
            const float share =
                detail::share_in_common(boxes.xyxy[i], windows[seen[i]], boxes.xyxy[j], windows[seen[j]]);
            if (share <= most) continue;
            most = share;
            group = its_group;
        }
        if (most <= detail::same_share) {
            group = groups.size();
            groups.push_back({true, {}});
        }
        if (!groups[group].cut) continue;
        groups[group].members.push_back(i);  // of one thing, whose other pieces this one may lead to
        grouped.emplace_back(i, group);
    }
    std::stable_sort(groups.begin(), groups.end(), [&](const Group& a, const Group& b) {
        return boxes.scores[a.members[0]] > boxes.scores[b.members[0]];
    });
    groups.resize(std::min(groups.size(), static_cast<std::size_t>(max_det)));

    std::vector<Detection> merged;
    for (const Group& group : groups) {
        merged.push_back(joined[group.members[0]]);
        if (group.members.size() == 1) continue;
        std::vector<Mask> masks;
        cv::Vec4f hull = boxes.xyxy[group.members[0]];
        for (const std::size_t i : group.members) {
            const cv::Vec4f& box = boxes.xyxy[i];
            hull = {std::min(hull[0], box[0]), std::min(hull[1], box[1]), std::max(hull[2], box[2]),
                    std::max(hull[3], box[3])};
            masks.push_back(joined[i].mask);
        }
        merged.back().box = {hull[0], hull[1], hull[2] - hull[0], hull[3] - hull[1]};
        if (!merged.back().mask.empty()) merged.back().mask = detail::united(masks);
    }
    return merged;
}

// ------------------------------------------------------------------------------------------------------------ detector
//
// The detector: letterbox → network → decode → NMS, on one image after the other.

// What a Detector is asked for; the fields are called as the arguments of Python's.
struct Options {
    std::string device = "cpu";  // one of `available_devices()`
    cv::Size imgsz;              // size to letterbox to, rounded up to `size_multiple`; empty = the model's own
    // Boxes must score above conf_thres, 0 to 1; of boxes of one class that overlap more than iou_thres, 0 to 1, the
    // worse ones are lost. By default what is usual for the model's task: 0.25 and 0.45, 0.6 and 0.5 for keypoints, and
    // 0.7 for the overlap of models without anchors.
    std::optional<double> conf_thres, iou_thres;
    int max_det = 1000;                // the most boxes an image may have
    std::vector<std::string> classes;  // names or numbers of the only classes to look for; empty = all
    bool agnostic_nms = false;         // let boxes of different classes suppress each other, too
    bool multi_label = false;          // give a box every class that scores high enough: what evaluations do
    bool rect = true;                  // pad as little as the network allows; false: always to the full imgsz
    // Look at the whole image and also at overlapping tiles of so many pixels a side: for objects that would be too small
    // for the network if a large image were scaled down to its input. The model's input size is a good choice; a forward
    // pass for each tile is the price.
    std::optional<int> tiles;

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
    const auto share = [](std::optional<double> value, const std::string& name) {
        if (value && !(*value >= 0 && *value <= 1))
            throw InputError(name + " must be a number from 0 to 1, not " + std::to_string(*value));
    };
    share(options.conf_thres, "conf_thres");
    share(options.iou_thres, "iou_thres");
    if (options.max_det < 1)
        throw InputError("max_det must be a whole number of at least 1, not " + std::to_string(options.max_det));
    if (options.tiles && *options.tiles < min_tile)
        throw InputError("tiles must be a whole number of at least " + std::to_string(min_tile) + " pixels, not " +
                         std::to_string(*options.tiles));
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

// Reads the ModelInfo of a model that finds boxes. Throws ModelError for any other.
inline ModelInfo box_info(const ModelFile& file, const Options& options) {
    ModelInfo info = read_info(file.metadata, file.path, given_info(options));
    if (!info.head->decode)
        throw ModelError(utf8(file.path) + " is no model to detect with; it is for " + info.head->user);
    return info;
}

// Throws ModelError if something in candidates is not a number, or an infinite one.
inline void check_finite(const Candidates& candidates) {
    const auto finite = [](float value) { return std::isfinite(value); };
    bool all = std::all_of(candidates.scores.begin(), candidates.scores.end(), finite) &&
               std::all_of(candidates.extra.begin(), candidates.extra.end(), finite);
    for (const cv::Vec4f& box : candidates.xyxy) all = all && std::all_of(box.val, box.val + 4, finite);
    if (!all) throw ModelError(not_finite);
}

}  // namespace detail

// A YOLOv5 network that finds boxes, ready to be called on images: letterbox → network → decode → NMS. Models for
// segmentation give each Detection a mask, those for faces keypoints.
//
// A detector may be called from several threads: a lock lets one call through at a time. To use several
// processor cores better than OpenCV does alone, give each thread its own detector.
class Detector {
public:
    // `model` is a file made by `python -m convert`.
    // Throws ModelError for the file, DeviceError for the device, InputError for any other option.
    explicit Detector(const std::filesystem::path& model, const Options& options = {})
        : Detector(read_model(model), options) {}

    // The same of a file that `read_model` gave, which is not read again; it need not outlive the detector.
    explicit Detector(const ModelFile& file, const Options& options = {})
        : options_(detail::checked(options)), info_(detail::box_info(file, options)),
          conf_thres_(options.conf_thres.value_or(info_.head->conf_thres)),
          iou_thres_(options.iou_thres.value_or(info_.usual_iou_thres(info_.head->iou_thres))),
          classes_(detail::class_ids(options.classes, info_.names)),
          imgsz_(detail::input_size(options.imgsz, info_, info_.dynamic || !file.metadata.count("imgsz"))),
          multiple_(info_.dynamic && options.rect ? info_.size_multiple : 0),
          network_((file.check_input(info_.input_shape(imgsz_)), file), info_, find_device(options.device)) {}

    // What the model file says.
    const ModelInfo& info() const { return info_; }

    // Size in use, to letterbox to.
    cv::Size imgsz() const { return imgsz_; }

    // Runs once on a grey image: the first forward pass prepares the network, which can take long.
    void warmup() {
        const cv::Mat values(imgsz_.height, imgsz_.width * info_.channels, CV_8U, cv::Scalar(grey));
        detect(values.reshape(info_.channels));
    }

    // Finds what is in an image: BGR, 8 bits; also grey or BGRA, and 16 bits; for a model of one channel, too, which gets
    // it in grey. For a model of another number of channels, `info().channels`, an image of so many, as they are. Best
    // first. `timings`, if given, is told where the time of this call went.
    // Throws InputError for anything that is not an image, ModelError if the network doesn't fit its metadata, or what
    // it says is not a number.
    std::vector<Detection> detect(const cv::Mat& image, Timings* timings = nullptr) {
        const std::lock_guard<std::mutex> lock(mutex_);
        Timings spent;
        std::vector<Detection> found = options_.tiles ? run_tiles(image, spent) : run(image, spent);
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
        for (const cv::Mat& image : images)
            found.push_back(options_.tiles ? run_tiles(image, spent) : run(image, spent));
        if (timings) *timings = spent;
        return found;
    }

private:
    using Clock = std::chrono::steady_clock;

    static double ms(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

    // Runs the four stages on the whole of an image and on its tiles.
    std::vector<Detection> run_tiles(const cv::Mat& picture, Timings& timings) {
        const Clock::time_point start = Clock::now();
        const cv::Mat image = to_channels(picture, info_.channels, conversions_);
        timings.letterbox += ms(Clock::now() - start);
        const std::vector<Window> windows = tile_windows(image.size(), *options_.tiles);
        std::vector<std::vector<Detection>> parts;
        for (const Window& each : windows)
            parts.push_back(run(image(cv::Range(each.top, each.bottom), cv::Range(each.left, each.right)), timings));
        if (parts.size() == 1) return parts[0];
        const Clock::time_point found = Clock::now();
        std::vector<Detection> merged =
            merge_windows(parts, windows, image.size(), iou_thres_, options_.max_det, options_.agnostic_nms);
        timings.nms += ms(Clock::now() - found);
        return merged;
    }

    // Runs the four stages and adds to each one's milliseconds.
    std::vector<Detection> run(const cv::Mat& picture, Timings& timings) {
        const Clock::time_point start = Clock::now();
        const cv::Mat image = to_channels(picture, info_.channels, conversions_);
        prepare_buffers(letterbox_shape(image.size(), imgsz_, multiple_));
        const Placement placement = letterbox(image, imgsz_, multiple_, canvas_);
        to_blob(canvas_, info_.fold, blob_);
        if (info_.input_scale != 1) blob_ *= info_.input_scale;

        const Clock::time_point letterboxed = Clock::now();
        const std::vector<cv::Mat>& outputs = network_(blob_);

        const Clock::time_point forwarded = Clock::now();
        heads_.clear();
        const std::size_t heads = std::max<std::size_t>(1, info_.strides.size());  // decoded boxes have no strides
        for (std::size_t i = 0; i < heads; ++i) heads_.push_back(head_of(outputs[i]));
        info_.head->decode(info_, heads_, conf_thres_, options_.multi_label, candidates_);
        if (!classes_.empty()) keep_wanted_classes();

        const Clock::time_point decoded = Clock::now();
        nms(candidates_, iou_thres_, options_.max_det, options_.agnostic_nms, kept_);
        candidates_.select(kept_, chosen_);
        detail::check_finite(chosen_);
        std::vector<Detection> found;
        found.reserve(chosen_.size());
        for (std::size_t i = 0; i < chosen_.size(); ++i) {
            const cv::Vec4f box = unletterbox(chosen_.xyxy[i], placement, image.size());
            found.push_back({chosen_.class_ids[i], chosen_.scores[i],
                             cv::Rect2f(box[0], box[1], box[2] - box[0], box[3] - box[1])});
        }
        if (info_.head->complete) info_.head->complete(info_, chosen_, outputs, placement, image.size(), found);
        const Clock::time_point end = Clock::now();

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
        const std::size_t values = static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height) *
                                   static_cast<std::size_t>(info_.channels);
        if (blob_memory_.size() < values) {
            canvas_memory_.resize(values);
            blob_memory_.resize(values);
        }
        const int fold = info_.fold;
        const std::array<int, 4> shape = {1, info_.channels * fold * fold, size.height / fold, size.width / fold};
        canvas_ = cv::Mat(size, CV_8UC(info_.channels), canvas_memory_.data());
        blob_ = cv::Mat(4, shape.data(), CV_32F, blob_memory_.data());
    }

    Options options_;
    ModelInfo info_;
    double conf_thres_, iou_thres_;
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

// ----------------------------------------------------------------------------------------------------------- segmenter
//
// The segmenter: a detector that is certain to give masks.

// A Detector whose model gives masks: each Detection has one. It differs in one respect: it refuses every other model.
class Segmenter : public Detector {
public:
    // Throws what Detector's throws, and ModelError for a model that gives no masks.
    explicit Segmenter(const std::filesystem::path& model, const Options& options = {})
        : Segmenter(read_model(model), options) {}
    explicit Segmenter(const ModelFile& file, const Options& options = {}) : Detector(file, options) {
        if (info().masks == 0)
            throw ModelError(detail::utf8(file.path) + " gives no masks; it is for " + info().head->user);
    }
};

// ------------------------------------------------------------------------------------------------------ classification
//
// What a classifier says of one image.

// One class of an image, and how probable it is, 0 to 1.
struct Guess {
    int class_id = 0;
    float probability = 0;
};

// The probabilities of one image's classes, by class id; they add up to 1.
struct Classification {
    std::vector<float> probabilities;

    // The k most probable classes, best first; of equals, the lower number first.
    std::vector<Guess> top(std::size_t k = 5) const {
        std::vector<int> order(probabilities.size());
        std::iota(order.begin(), order.end(), 0);
        const auto of = [this](int i) { return probabilities[static_cast<std::size_t>(i)]; };
        std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return of(a) > of(b); });
        order.resize(std::min(k, order.size()));
        std::vector<Guess> best;
        for (const int i : order) best.push_back({i, of(i)});
        return best;
    }
};

// Computes probabilities from logits, of which there is at least one: eˣ / Σ eˣ, without overflow.
inline std::vector<float> softmax(std::vector<float> logits) {
    const float most = *std::max_element(logits.begin(), logits.end());
    for (float& value : logits) value = std::exp(value - most);
    const float sum = std::accumulate(logits.begin(), logits.end(), 0.0F);
    for (float& value : logits) value /= sum;
    return logits;
}

// ---------------------------------------------------------------------------------------------------------------- crop
//
// From an image of any size to a classifier's input: its middle, scaled, with the colours normalised. The arithmetic is
// YOLOv5's. Release v7.0 cuts the largest square from the middle and scales that ("square"); v6.2 scales the shorter
// side and cuts the middle then ("shorter-side"):
// https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (CenterCrop, ToTensor) and
// https://github.com/ultralytics/yolov5/blob/v6.2/utils/augmentations.py (classify_transforms).

// Cuts the largest square from the middle of a BGR image, 8 bits, and scales it to size × size.
inline cv::Mat crop_square(const cv::Mat& image, int size) {
    const int side = std::min(image.rows, image.cols);
    const cv::Mat square = image(cv::Rect((image.cols - side) / 2, (image.rows - side) / 2, side, side));
    if (side == size) return square;
    cv::Mat scaled;
    if (side == 1) return cv::Mat(size, size, CV_8UC3, cv::Scalar(square.at<cv::Vec3b>(0, 0)));  // see `letterbox`
    cv::resize(square, scaled, {size, size}, 0, 0, cv::INTER_LINEAR);
    return scaled;
}

namespace detail {

// Between which two pixels of a line of so many a pixel of the scaled line lies, and how far from the first. In float
// throughout, as PyTorch computes it: its interpolate, bilinear, without aligned corners.
struct Tap {
    int first = 0;
    int second = 0;
    float share = 0;

    Tap(std::int64_t pixel, std::int64_t scaled, int source) {
        const float scale = static_cast<float>(source) / static_cast<float>(scaled);
        const float position = (static_cast<float>(pixel) + 0.5F) * scale - 0.5F;
        const float inside = std::min(std::max(position, 0.0F), static_cast<float>(source - 1));
        first = static_cast<int>(inside);
        second = std::min(first + 1, source - 1);
        share = inside - static_cast<float>(first);
    }
};

}  // namespace detail

// Scales a BGR image, 8 bits, so that its shorter side is `size`, and cuts the middle square: float, 0 to 1, because
// v6.2 scales floats, which are not rounded afterwards. What is cut off, which can be a thousand times as much, is never
// computed.
inline cv::Mat crop_shorter_side(const cv::Mat& image, int size) {
    const int shorter = std::min(image.rows, image.cols);
    const auto taps = [&](int side) {
        const std::int64_t scaled =
            side == shorter ? size : static_cast<std::int64_t>(static_cast<double>(size) * side / shorter);
        const auto first = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(scaled - size) / 2));
        std::vector<detail::Tap> all;
        for (int i = 0; i < size; ++i) all.emplace_back(first + i, scaled, side);
        return all;
    };
    const std::vector<detail::Tap> rows = taps(image.rows), columns = taps(image.cols);
    const auto unit = [](unsigned char value) { return static_cast<float>(value) / 255.0F; };
    const auto between = [](float first, float second, float share) { return first * (1 - share) + second * share; };
    cv::Mat square(size, size, CV_32FC3);
    for (int y = 0; y < size; ++y) {
        const detail::Tap& down = rows[static_cast<std::size_t>(y)];
        const auto* const above = image.ptr<cv::Vec3b>(down.first);
        const auto* const below = image.ptr<cv::Vec3b>(down.second);
        for (int x = 0; x < size; ++x) {
            const detail::Tap& across = columns[static_cast<std::size_t>(x)];
            for (int c = 0; c < 3; ++c) {
                const auto blend = [&](const cv::Vec3b* row) {
                    return between(unit(row[across.first][c]), unit(row[across.second][c]), across.share);
                };
                square.at<cv::Vec3f>(y, x)[c] = between(blend(above), blend(below), down.share);
            }
        }
    }
    return square;
}

// Turns a BGR image, 8 bits, into a classifier's input: float (1, 3, size, size), RGB. `crop` is "square" or
// "shorter-side"; each colour, 0 to 1, is normalised by its mean and standard deviation, in the order R, G, B.
inline void to_classifier_blob(const cv::Mat& image, int size, const std::string& crop, const cv::Vec3f& mean,
                               const cv::Vec3f& deviation, cv::Mat& blob) {
    if (crop == "square") {
        to_blob(crop_square(image, size), 1, blob);
    } else {
        const cv::Mat middle = crop_shorter_side(image, size);
        const std::array<int, 4> shape = {1, 3, size, size};
        blob.create(4, shape.data(), CV_32F);
        for (int y = 0; y < size; ++y)
            for (int x = 0; x < size; ++x)
                for (int c = 0; c < 3; ++c) blob.ptr<float>(0, c, y)[x] = middle.at<cv::Vec3f>(y, x)[2 - c];
    }
    for (int c = 0; c < 3; ++c) {
        float* const plane = blob.ptr<float>(0, c);
        const auto pixels = static_cast<std::ptrdiff_t>(size) * size;
        std::transform(plane, plane + pixels, plane, [&](float value) { return (value - mean[c]) / deviation[c]; });
    }
}

// ---------------------------------------------------------------------------------------------------------- classifier
//
// The classifier: crop → network → softmax, on one image after the other.

// What a Classifier is asked for; the fields are called as the arguments of Python's.
struct ClassifierOptions {
    std::string device = "cpu";  // one of `available_devices()`
    // Side of the square that the image's middle is scaled to, 0 for the model's own. Only a model of free input size
    // takes another, rounded up to a multiple of its size_multiple.
    int imgsz = 0;
    // How images are cut, "square" or "shorter-side", see `to_classifier_blob`; empty: as the model file says, which is
    // as YOLOv5 v7.0 cuts them, also for networks that v6.2 trained: a checkpoint does not tell the two apart.
    std::string crop;
};

// A YOLOv5 classifier, ready to be called on images. It may be called from several threads: a lock lets one call
// through at a time.
class Classifier {
public:
    // `model` is a file made by `python -m convert`.
    // Throws ModelError for the file, DeviceError for the device, InputError for any other option.
    explicit Classifier(const std::filesystem::path& model, const ClassifierOptions& options = {})
        : Classifier(read_model(model), options) {}

    // The same of a file that `read_model` gave, which is not read again; it need not outlive the classifier.
    explicit Classifier(const ModelFile& file, const ClassifierOptions& options = {})
        : info_(read_classifier(file)), crop_(options.crop.empty() ? info_.crop : options.crop),
          imgsz_(side(options.imgsz, info_)),
          network_((file.check_input(info_.input_shape({imgsz_, imgsz_})), file), info_, find_device(options.device)) {
        if (crop_ != "square" && crop_ != "shorter-side")
            throw InputError("crop must be square or shorter-side, not '" + crop_ + "'");
    }

    // What the model file says.
    const ModelInfo& info() const { return info_; }

    // How images are cut.
    const std::string& crop() const { return crop_; }

    // Side of the square in use.
    int imgsz() const { return imgsz_; }

    // Runs once on a grey image: the first forward pass prepares the network, which can take long.
    void warmup() { classify(cv::Mat(imgsz_, imgsz_, CV_8UC3, cv::Scalar::all(grey))); }

    // Tells how probable each class is for an image: BGR, 8 bits; also grey or BGRA, and 16 bits.
    // Throws InputError for anything that is not an image, ModelError if the network doesn't fit its metadata or its
    // output is not a number.
    Classification classify(const cv::Mat& picture) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const cv::Mat image = to_bgr(picture, conversions_);
        to_classifier_blob(image, imgsz_, crop_, info_.mean, info_.deviation, blob_);
        const cv::Mat& output = network_(blob_).front();
        const auto* const logits = output.ptr<float>();
        std::vector<float> values(logits, logits + info_.names.size());
        for (const float value : values)
            if (!std::isfinite(value)) throw ModelError(detail::not_finite);
        return {softmax(std::move(values))};
    }

    Classification operator()(const cv::Mat& image) { return classify(image); }

private:
    static ModelInfo read_classifier(const ModelFile& file) {
        ModelInfo info = read_info(file.metadata, file.path);
        if (info.head->decode)
            throw ModelError(detail::utf8(file.path) + " is no classifier; it is for " + info.head->user);
        return info;
    }

    static int side(int imgsz, const ModelInfo& info) {
        const cv::Size size = detail::input_size({imgsz, imgsz}, info, info.dynamic);
        if (size.width != size.height)
            throw InputError("a classifier's input is square, not " + std::to_string(size.height) + " × " +
                             std::to_string(size.width));
        return size.width;
    }

    ModelInfo info_;
    std::string crop_;
    int imgsz_;

    std::mutex mutex_;  // guards what follows
    Network network_;
    std::array<cv::Mat, 2> conversions_;
    cv::Mat blob_;
};

// ----------------------------------------------------------------------------------------------------------------- rle
//
// Masks as COCO writes them: run lengths down the columns, in a short text.
// https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c documents the format: the lengths of runs of 0
// and 1 in turn, beginning with 0, column by column. From the fourth on, each is written as its difference from the one
// before the last; then in groups of five bits, lowest first, a sixth bit telling that more follow, each group a letter
// from "0" on.

namespace detail {

inline std::string text_of_runs(const std::vector<std::int64_t>& counts) {
    std::string text;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        std::int64_t value = i > 2 ? counts[i] - counts[i - 2] : counts[i];
        for (bool more = true; more;) {
            const auto group = static_cast<int>(value & 0x1F);
            value >>= 5;  // keeps the sign
            more = value != (group & 0x10 ? -1 : 0);
            text += static_cast<char>('0' + (more ? group | 0x20 : group));
        }
    }
    return text;
}

}  // namespace detail

// Writes a mask as COCO's compressed RLE, the text called `counts` beside `size`, [height, width]. `window` is a part
// of an image of this size; all else is 0.
inline std::string encode_rle(const Bitmap& window, cv::Size image) {
    std::vector<std::int64_t> bounds = {0};  // of the runs, in pixels counted down the columns
    cv::Mat columns;
    if (!window.pixels.empty()) cv::transpose(window.pixels, columns);
    for (int column = 0; column < columns.rows; ++column) {
        const auto* const pixels = columns.ptr<unsigned char>(column);
        const std::int64_t start = static_cast<std::int64_t>(window.corner.x + column) * image.height + window.corner.y;
        for (int row = 0; row < columns.cols; ++row) {
            if (!pixels[row]) continue;
            const int first = row;
            while (row < columns.cols && pixels[row]) ++row;
            // A run that begins where the last one ended, at the foot of the column before, goes on with it.
            if (bounds.size() > 1 && bounds.back() == start + first) {
                bounds.back() = start + row;
            } else {
                bounds.push_back(start + first);
                bounds.push_back(start + row);
            }
        }
    }
    const std::int64_t all = static_cast<std::int64_t>(image.width) * image.height;
    if (bounds.size() == 1 || bounds.back() != all) bounds.push_back(all);
    std::vector<std::int64_t> counts;
    for (std::size_t i = 1; i < bounds.size(); ++i) counts.push_back(bounds[i] - bounds[i - 1]);
    return detail::text_of_runs(counts);
}

// -------------------------------------------------------------------------------------------------------------- labels
//
// Where the labels of boxes go, so that no label covers another one and each hides as little as it can. Labels are
// placed one after the other, best detection first, in whole pixels and whole numbers: Python comes to the same places.

namespace detail {

// A rectangle of whole pixels, right and bottom edge not included.
struct Edges {
    std::int64_t x1, y1, x2, y2;
};

constexpr std::int64_t whole_box = 50;  // parts of a box that are told apart: hiding less than one counts nothing

// The area in which two rectangles meet.
inline std::int64_t intersection(const Edges& a, const Edges& b) {
    const std::int64_t width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
    const std::int64_t height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
    return std::max<std::int64_t>(width, 0) * std::max<std::int64_t>(height, 0);
}

// The places that a label may have, in the order of preference.
inline std::array<Edges, 16> label_places(const Edges& box, cv::Size label, cv::Size image) {
    const auto inside = [](std::int64_t value, int room) {
        return std::min<std::int64_t>(std::max<std::int64_t>(value, 0), std::max(room, 0));
    };
    const std::int64_t width = label.width, height = label.height;
    std::array<std::int64_t, 3> lefts = {box.x1, box.x2 - width, (box.x1 + box.x2 - width) / 2};
    for (std::int64_t& left : lefts) left = inside(left, image.width - label.width);
    const int room = image.height - label.height;
    const std::array<std::int64_t, 4> tops = {box.y1 - height, box.y2, inside(box.y1, room),
                                              inside(box.y2 - height, room)};
    std::array<Edges, 16> places{};
    std::size_t count = 0;
    const auto add = [&](std::int64_t left, std::int64_t top) {
        places[count++] = {left, top, left + width, top + height};
    };
    for (const std::int64_t top : tops) add(lefts[0], top);
    for (const std::int64_t top : tops)
        for (const std::size_t side : {1U, 2U}) add(lefts[side], top);
    for (const std::int64_t top : {box.y1, box.y2 - height})
        for (const std::int64_t left : {box.x2, box.x1 - width}) add(left, top);
    return places;
}

}  // namespace detail

// Finds a place for the label of each box. `boxes` are x1 y1 x2 y2 in whole pixels, in the order in which labels
// choose; `sizes` those of each one's label. A label is tried above its box, below it, within its upper and its lower
// edge, at the box's left, its right and its middle, and beside it, moved into the image where its box reaches out of
// it. Of the places that lie in the image and meet no label placed before, it takes the one that hides least of all
// boxes, counted in shares of each box; of equals, the first.
// Gives the upper left corner of each label, or nothing where every place is taken.
inline std::vector<std::optional<cv::Point>> place_labels(const std::vector<cv::Vec4i>& boxes,
                                                          const std::vector<cv::Size>& sizes, cv::Size image) {
    std::vector<detail::Edges> edges, taken;
    for (const cv::Vec4i& box : boxes) edges.push_back({box[0], box[1], box[2], box[3]});
    std::vector<std::optional<cv::Point>> corners;
    for (std::size_t i = 0; i < edges.size(); ++i) {
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        detail::Edges best{};
        for (const detail::Edges& place : detail::label_places(edges[i], sizes.at(i), image)) {
            if (place.x1 < 0 || place.y1 < 0 || place.x2 > image.width || place.y2 > image.height) continue;
            const auto meets = [&](const detail::Edges& label) { return detail::intersection(place, label) > 0; };
            if (std::any_of(taken.begin(), taken.end(), meets)) continue;
            std::int64_t hidden = 0;
            for (const detail::Edges& box : edges) {
                const std::int64_t area = std::max<std::int64_t>((box.x2 - box.x1) * (box.y2 - box.y1), 1);
                hidden += detail::intersection(place, box) * detail::whole_box / area;
            }
            if (hidden >= least) continue;
            least = hidden;
            best = place;
        }
        corners.emplace_back();
        if (least == std::numeric_limits<std::int64_t>::max()) continue;
        corners.back() = cv::Point(static_cast<int>(best.x1), static_cast<int>(best.y1));
        taken.push_back(best);
    }
    return corners;
}

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
// Drawing what was found on a picture.

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

constexpr double mask_opacity = 0.4;

// Five points, as yolov5-face orders them: eyes, nose, corners of the mouth. Left is blue, right orange.
inline const std::array<cv::Scalar, 5>& five_points() {
    static const cv::Scalar left(255, 176, 0), right(0, 110, 255), middle(255, 255, 255);
    static const std::array<cv::Scalar, 5> all = {left, right, middle, left, right};
    return all;
}

// What is drawn, and how.
struct DrawOptions {
    int line_thickness = 0;    // of the boxes, in pixels; 0: `line_width` of the image
    bool hide_labels = false;  // draw no labels
    bool hide_conf = false;    // write no scores on them
};

namespace detail {

constexpr std::size_t most_letters = 100;  // of a label: measuring and drawing thousands would take seconds

// A text that fits into the image, and how large it is.
struct Label {
    std::string text;
    Extent extent;
    int size = 0;  // of its letters
    int pad = 0;   // left and right of it

    cv::Size area() const { return {extent.width + 2 * pad, extent.ascent + extent.descent + pad}; }
};

// Makes a text small enough, and if need be short enough, for the image.
inline Label fit(const std::string& text, cv::Size image) {
    Label label;
    label.text = printable(text);
    label.size = text_size(image);
    label.pad = std::max(2, label.size / 5);
    const auto measured = [&label] {
        label.extent = measure(label.text, label.size);
        return label.extent.width + 2 * label.pad;
    };
    int width = measured();
    while (label.size > 8 && width > image.width) {
        --label.size;
        width = measured();
    }
    while (!label.text.empty() && width > image.width) {
        while ((static_cast<unsigned char>(label.text.back()) & 0xC0) == 0x80) label.text.pop_back();
        label.text.pop_back();  // down to the first byte of a letter
        width = measured();
    }
    return label;
}

// Draws a text on its colour, with the upper left corner there.
inline void draw_label(cv::Mat& canvas, const Label& label, cv::Point corner, const cv::Scalar& colour) {
    cv::rectangle(canvas, cv::Rect(corner, label.area()), colour, cv::FILLED);
    put_text(canvas, label.text, {corner.x + label.pad, corner.y + label.pad / 2 + label.extent.ascent}, label.size,
             text_colour(colour));
}

// Draws filled labels, the first ones where they like best.
inline void draw_labels(cv::Mat& canvas, const std::vector<std::string>& texts, const std::vector<cv::Vec4i>& boxes,
                        const std::vector<cv::Scalar>& colours, int line) {
    std::vector<Label> labels;
    std::vector<cv::Size> sizes;
    std::vector<cv::Vec4i> edges;
    const int half = line / 2;  // of a line lies outside its box
    for (std::size_t i = 0; i < texts.size(); ++i) {
        labels.push_back(fit(texts[i], canvas.size()));
        sizes.push_back(labels.back().area());
        edges.push_back(boxes[i] + cv::Vec4i(-half, -half, half + 1, half + 1));
    }
    const std::vector<std::optional<cv::Point>> corners = place_labels(edges, sizes, canvas.size());
    for (std::size_t i = 0; i < labels.size(); ++i)
        if (corners[i] && !labels[i].text.empty()) draw_label(canvas, labels[i], *corners[i], colours[i]);
}

// Tints the pixels of a mask and draws its contour.
inline void draw_mask(cv::Mat& canvas, const Mask& mask, const cv::Scalar& colour, int line) {
    const Bitmap window = mask.window();
    if (window.pixels.empty() || cv::countNonZero(window.pixels) == 0) return;
    cv::Mat part = canvas(cv::Rect(window.corner, window.pixels.size())), tinted;
    cv::addWeighted(part, 1 - mask_opacity, cv::Mat(part.size(), part.type(), colour), mask_opacity, 0, tinted);
    tinted.copyTo(part, window.pixels);
    std::vector<std::vector<cv::Point>> contours;
    cv::findContours(window.pixels, contours, cv::RETR_CCOMP, cv::CHAIN_APPROX_NONE, window.corner);
    cv::drawContours(canvas, contours, -1, text_colour(colour), line + 2);
    cv::drawContours(canvas, contours, -1, colour, line);
}

// Draws a disc for each point: five in the colours of left, right and middle, others in the class's.
inline void draw_keypoints(cv::Mat& canvas, const std::vector<cv::Point2f>& points, const cv::Scalar& colour,
                           int line) {
    for (std::size_t k = 0; k < points.size(); ++k) {
        const cv::Scalar shade = points.size() == 5 ? five_points()[k] : colour;
        const cv::Point centre(round(points[k].x), round(points[k].y));
        cv::circle(canvas, centre, line + 2, text_colour(shade), cv::FILLED, cv::LINE_AA);
        cv::circle(canvas, centre, line, shade, cv::FILLED, cv::LINE_AA);
    }
}

// The corners x1 y1 x2 y2 of a box in whole pixels, kept within what OpenCV can draw.
inline cv::Vec4i rounded(const cv::Rect2f& box) {
    const auto whole = [](float edge) {
        constexpr float most = 1 << 15;
        return round(std::min(std::max(edge, -most), most));
    };
    return {whole(box.x), whole(box.y), whole(box.br().x), whole(box.br().y)};
}

// What a label says: "person 0.91".
inline std::string label_text(const std::string& name, float share) {
    std::ostringstream text;
    text.imbue(std::locale::classic());
    text.precision(2);
    text << name << ' ' << std::fixed << share;
    return text.str();
}

// Shows the first three channels, or the first, of an image that has not 1, 3 or 4.
inline cv::Mat as_picture(const cv::Mat& image, std::array<cv::Mat, 2>& buffers) {
    const int channels = image.channels();
    if (image.empty() || image.dims != 2 || channels == 1 || channels == 3 || channels == 4)
        return to_bgr(image, buffers);
    cv::Mat shown(image.size(), CV_MAKETYPE(image.depth(), channels > 4 ? 3 : 1));
    const std::array<int, 6> pairs = {0, 0, 1, 1, 2, 2};
    cv::mixChannels(&image, 1, &shown, 1, pairs.data(), static_cast<std::size_t>(shown.channels()));
    return to_bgr(shown, buffers);
}

}  // namespace detail

// Draws masks, boxes, keypoints and labels (name and score) on a copy of an image: 8 or 16 bits, grey, BGR or BGRA. The
// first detections, which should be the best, are drawn last, over the others. Boxes, contours and points have a rim in
// black or white, so that they stand off any background. Labels go where `place_labels` finds room; they are made
// smaller, and at last cut, to fit into the image, and where there is no room left, the box alone tells the class, by
// its colour. OpenCV 4 has letters for ASCII only.
// Returns 8 bits, BGR.
inline cv::Mat draw(const cv::Mat& image, const std::vector<Detection>& detections,
                    const std::vector<std::string>& names, const DrawOptions& options = {}) {
    std::array<cv::Mat, 2> buffers;
    cv::Mat canvas = detail::as_picture(image, buffers);
    if (canvas.data == image.data) canvas = canvas.clone();
    const int line = options.line_thickness > 0 ? options.line_thickness : line_width(canvas.size());

    std::vector<cv::Vec4i> boxes;
    std::vector<cv::Scalar> colours;
    std::vector<std::string> texts;
    for (const Detection& found : detections) {
        const std::string name = escape(names.at(static_cast<std::size_t>(found.class_id)), detail::most_letters);
        boxes.push_back(detail::rounded(found.box));
        colours.push_back(class_colour(found.class_id));
        texts.push_back(options.hide_conf ? name : detail::label_text(name, found.score));
    }
    // The worst first.
    for (std::size_t i = boxes.size(); i-- > 0;)
        if (!detections[i].mask.empty())
            detail::draw_mask(canvas, detections[i].mask, colours[i], std::max(1, line / 2));
    for (std::size_t i = boxes.size(); i-- > 0;) {
        const cv::Point corner(boxes[i][0], boxes[i][1]), opposite(boxes[i][2], boxes[i][3]);
        cv::rectangle(canvas, corner, opposite, text_colour(colours[i]), line + 2);
        cv::rectangle(canvas, corner, opposite, colours[i], line);
    }
    for (std::size_t i = boxes.size(); i-- > 0;)
        detail::draw_keypoints(canvas, detections[i].keypoints, colours[i], line);
    // After all else, so that no line crosses a label.
    if (!options.hide_labels) detail::draw_labels(canvas, texts, boxes, colours, line);
    return canvas;
}

// Writes classes and how probable they are, one below the other, into the upper left corner of a copy of an image, the
// most probable first; those for which there is no room are left out. Returns 8 bits, BGR.
inline cv::Mat draw_classes(const cv::Mat& image, const std::vector<Guess>& guesses,
                            const std::vector<std::string>& names) {
    std::array<cv::Mat, 2> buffers;
    cv::Mat canvas = detail::as_picture(image, buffers);
    if (canvas.data == image.data) canvas = canvas.clone();
    int top = 0;
    for (const Guess& guess : guesses) {
        const std::string& name = names.at(static_cast<std::size_t>(guess.class_id));
        const std::string text = escape(detail::label_text(name, guess.probability), detail::most_letters);
        const detail::Label label = detail::fit(text, canvas.size());
        const int height = label.area().height;
        if (top + height > canvas.rows) break;
        detail::draw_label(canvas, label, {0, top}, class_colour(guess.class_id));
        top += height;
    }
    return canvas;
}

}  // namespace yolov5_dnn

#endif  // YOLOV5_DNN_HPP
