// SPDX-License-Identifier: Apache-2.0
//
// Runs single stages on data that tests/cpp/test_cpp_parity.py writes, and prints what comes out, so that it can be compared
// with what Python makes of the same data:
//
//     yolov5_dnn_parity decode FILE       raw head maps → boxes that are kept
//     yolov5_dnn_parity letterbox FILE    an image → canvas and blob
//     yolov5_dnn_parity draw FILE         an image and boxes → picture
//     yolov5_dnn_parity forward FILE      a model file and its input → the network's outputs
//
// FILE is read from front to back as the int32, float32 and float64 values named below.

#include <yolov5_dnn.hpp>

#include <iomanip>
#include <iostream>

namespace {

class Input {
public:
    explicit Input(const char* path) : stream_(path, std::ios::binary) {}

    template <typename Value>
    Value read() {
        Value value{};
        read_to(&value, 1);
        return value;
    }

    template <typename Value>
    void read_to(Value* values, std::size_t count) {
        if (!stream_.read(reinterpret_cast<char*>(values), static_cast<std::streamsize>(count * sizeof(Value))))
            throw std::runtime_error("the file is too short");
    }

    int integer() { return read<std::int32_t>(); }

    cv::Mat image() {
        const int rows = integer(), columns = integer(), channels = integer(), bits = integer();
        cv::Mat image(rows, columns, CV_MAKETYPE(bits == 16 ? CV_16U : CV_8U, channels));
        read_to(image.data, image.total() * image.elemSize());
        return image;
    }

private:
    std::ifstream stream_;
};

void write(const cv::Mat& values) {
    std::cout.write(reinterpret_cast<const char*>(values.data),
                    static_cast<std::streamsize>(values.total() * values.elemSize()));
}

// images, heads, multi_label, agnostic, max_det: int32; conf_thres, iou_thres: float64; for each head its anchors,
// channels, ny, nx, stride: int32, w and h of each anchor: float32, and the maps of all images: float32.
// Prints for each image the number of boxes, then class, score and x1 y1 x2 y2 of each.
void run_decode(Input& input) {
    const int images = input.integer(), heads = input.integer();
    const bool multi_label = input.integer() != 0, agnostic = input.integer() != 0;
    const int max_det = input.integer();
    const auto conf_thres = input.read<double>(), iou_thres = input.read<double>();
    std::vector<cv::Mat> maps;
    std::vector<yolov5_dnn::Anchors> anchors;
    std::vector<int> strides;
    yolov5_dnn::Layout layout;
    for (int i = 0; i < heads; ++i) {
        const int na = input.integer(), channels = input.integer(), ny = input.integer(), nx = input.integer();
        strides.push_back(input.integer());
        layout = {{5, channels / na}, {channels / na, channels / na}};
        anchors.emplace_back(na);
        input.read_to(&anchors.back()[0].width, static_cast<std::size_t>(2 * na));
        const std::array<int, 4> shape = {images, channels, ny, nx};
        maps.emplace_back(4, shape.data(), CV_32F);
        input.read_to(maps.back().ptr<float>(), maps.back().total());
    }
    yolov5_dnn::Candidates found;
    std::vector<int> kept;
    std::cout << std::setprecision(9);
    for (int image = 0; image < images; ++image) {
        std::vector<yolov5_dnn::Head> views;
        for (const cv::Mat& map : maps) views.push_back(yolov5_dnn::head_of(map, image));
        yolov5_dnn::decode(views, anchors, strides, layout, conf_thres, multi_label, found);
        yolov5_dnn::nms(found, iou_thres, max_det, agnostic, kept);
        std::cout << kept.size() << '\n';
        for (const int index : kept) {
            const auto i = static_cast<std::size_t>(index);
            const cv::Vec4f& box = found.xyxy[i];
            std::cout << found.class_ids[i] << ' ' << found.scores[i] << ' ' << box[0] << ' ' << box[1] << ' ' << box[2]
                      << ' ' << box[3] << '\n';
        }
    }
}

// height, width, multiple, fold, channels that the model takes: int32; rows, columns, channels, bits: int32; the image.
// Writes rows and columns of the canvas: int32; scale, pad_x, pad_y: float64; the canvas; the blob.
void run_letterbox(Input& input) {
    const int height = input.integer(), width = input.integer(), multiple = input.integer(), fold = input.integer();
    const int channels = input.integer();
    std::array<cv::Mat, 2> buffers;
    cv::Mat canvas, blob;
    const cv::Mat image = yolov5_dnn::to_channels(input.image(), channels, buffers);
    const yolov5_dnn::Placement placement = yolov5_dnn::letterbox(image, {width, height}, multiple, canvas);
    yolov5_dnn::to_blob(canvas, fold, blob);
    write(cv::Mat_<std::int32_t>({canvas.rows, canvas.cols}));
    write(cv::Mat_<double>({placement.scale, placement.pad_x, placement.pad_y}));
    write(canvas);
    write(blob);
}

// boxes: int32; for each class_id: int32, score, x, y, width, height: float32, left, top, rows, columns: int32 and the
// bytes of its mask in the image, k: int32 and x, y: float32 of its keypoints; an image as above. Boxes of class i are
// labelled "class i". A mask of no rows is none. Writes the picture.
void run_draw(Input& input) {
    std::vector<yolov5_dnn::Detection> detections(static_cast<std::size_t>(input.integer()));
    std::vector<std::string> names;
    for (yolov5_dnn::Detection& found : detections) {
        found.class_id = input.integer();
        found.score = input.read<float>();
        input.read_to(&found.box.x, 4);
        yolov5_dnn::Bitmap& bitmap = found.mask.bitmap;
        bitmap.corner.x = input.integer();
        bitmap.corner.y = input.integer();
        const int rows = input.integer(), columns = input.integer();
        bitmap.pixels.create(rows, columns, CV_8U);
        input.read_to(bitmap.pixels.data, bitmap.pixels.total());
        found.keypoints.resize(static_cast<std::size_t>(input.integer()));
        for (cv::Point2f& point : found.keypoints) input.read_to(&point.x, 2);
        while (static_cast<int>(names.size()) <= found.class_id)
            names.push_back("class " + std::to_string(names.size()));
    }
    const cv::Mat image = input.image();
    for (yolov5_dnn::Detection& found : detections)
        if (found.mask.bitmap.pixels.rows > 0) found.mask.image = image.size();
    write(yolov5_dnn::draw(image, detections, names));
}

// The path's length: int32, the path; channels, height, width: int32; the input: float32. Writes the outputs of the
// network, in the order of the metadata: float32.
void run_forward(Input& input) {
    std::string path(static_cast<std::size_t>(input.integer()), ' ');
    input.read_to(path.data(), path.size());
    const int channels = input.integer(), height = input.integer(), width = input.integer();
    cv::Mat blob(std::vector<int>{1, channels, height, width}, CV_32F);
    input.read_to(blob.ptr<float>(), blob.total());
    const yolov5_dnn::ModelFile file = yolov5_dnn::read_model(path);
    yolov5_dnn::Network network(file, yolov5_dnn::read_info(file.metadata, path), yolov5_dnn::find_device("cpu"));
    for (const cv::Mat& output : network(blob)) write(output);
}

}  // namespace

int main(int count, char** words) {
    if (count == 2 && words[1] == std::string("version")) {
        std::cout << CV_VERSION << '\n';
        return 0;
    }
    if (count != 3) return 2;
    try {
        Input input(words[2]);
        const std::string stage = words[1];
        if (stage == "decode") run_decode(input);
        if (stage == "letterbox") run_letterbox(input);
        if (stage == "draw") run_draw(input);
        if (stage == "forward") run_forward(input);
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
