// SPDX-License-Identifier: Apache-2.0
//
// yolov5-detect: finds objects in pictures, videos, cameras and streams with yolov5_dnn.hpp. It does what
// `python -m runtime.detect` does, option by option, without that one's rarer ones, and may serve as an example:
// the detector itself is in main(), everything else is reading, writing and telling.

#include <yolov5_dnn.hpp>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <iomanip>
#include <iostream>
#include <memory>
#include <set>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/highgui.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>

namespace fs = std::filesystem;
using yolov5_dnn::Detection;
using yolov5_dnn::InputError;

namespace {

const char* const usage = R"(usage: yolov5-detect SOURCE... [options]

Find objects in pictures, videos and live streams with a YOLOv5 model and OpenCV alone.

  SOURCE             a picture, video, folder, camera number or stream URL

  --weights FILE     model file made by `python -m convert` (default: printed codes)
  --imgsz N | H W    size to scale images to (default: the model's own)
  --device NAME      cpu, opencl, cuda, ...; a wrong one lists those that can be used (default: cpu)
  --threads N        processor threads to use (default: all cores)

  --conf-thres X     lowest score, 0 to 1 (default: 0.25)
  --iou-thres X      of boxes that overlap more, the best one stays, 0 to 1 (default: 0.45)
  --max-det N        most boxes per image (default: 1000)
  --classes CLASS... look for these only, by name or number

  --output DIR       folder for annotated pictures and videos (default: runs/detect)
  --no-save          save none
  --show             show them in a window; any key: next picture, q or Esc: stop
  --json FILE        write file, size and detections of each image or frame

Put --imgsz and --classes after the sources. Sources are never overwritten.

exit codes: 0 all done; 1 some inputs could not be read; 2 nothing done: wrong usage, model or device, or
nothing can be written; 130 interrupted (Ctrl-C; videos and JSON are complete up to there).
)";

volatile std::sig_atomic_t interrupted = 0;

// ---- the command line

struct Arguments {
    std::vector<std::string> sources;
    fs::path weights, output = fs::path("runs") / "detect", json;
    int threads = 0;
    bool save = true, show = false;
    yolov5_dnn::Options detector;
};

int to_int(const std::string& text) {
    std::size_t used = 0;
    int value = 0;
    try {
        value = std::stoi(text, &used);
    } catch (const std::logic_error&) {
    }
    if (text.empty() || used != text.size()) throw InputError("'" + text + "' is not a whole number");
    return value;
}

double to_double(const std::string& text) {
    std::istringstream stream(text);
    stream.imbue(std::locale::classic());
    double value = 0;
    if (!(stream >> value) || !stream.eof()) throw InputError("'" + text + "' is not a number");
    return value;
}

fs::path default_weights() {
    for (const char* const path : {YOLOV5_DNN_WEIGHTS})  // in the checkout, and where it is installed
        if (fs::exists(path)) return path;
    throw yolov5_dnn::ModelError("the model that comes with this program is not there any more; give one by --weights");
}

Arguments parse(const std::vector<std::string>& words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size();) {
        const std::string option = words[i++];
        if (option.substr(0, 2) != "--") {
            arguments.sources.push_back(option);
            continue;
        }
        const auto has_value = [&] { return i < words.size() && words[i].substr(0, 2) != "--"; };
        const auto value = [&] {
            if (!has_value()) throw InputError("argument " + option + ": expected a value");
            return words[i++];
        };
        const auto positive = [&] {
            const int number = to_int(value());
            if (number < 1) throw InputError("argument " + option + ": " + std::to_string(number) + " is less than 1");
            return number;
        };
        if (option == "--weights") {
            arguments.weights = value();
        } else if (option == "--imgsz") {
            const int height = to_int(value()), width = has_value() ? to_int(value()) : height;
            if (has_value()) throw InputError("argument --imgsz: give one number or two, height and width");
            if (height < 1 || width < 1) throw InputError("argument --imgsz: give whole numbers from 1 on");
            arguments.detector.imgsz = {width, height};
        } else if (option == "--device") {
            arguments.detector.device = value();
        } else if (option == "--threads") {
            arguments.threads = positive();
        } else if (option == "--conf-thres") {
            arguments.detector.conf_thres = to_double(value());
        } else if (option == "--iou-thres") {
            arguments.detector.iou_thres = to_double(value());
        } else if (option == "--max-det") {
            arguments.detector.max_det = positive();
        } else if (option == "--classes") {
            do {
                arguments.detector.classes.push_back(value());
            } while (has_value());
        } else if (option == "--output") {
            arguments.output = value();
        } else if (option == "--no-save") {
            arguments.save = false;
        } else if (option == "--show") {
            arguments.show = true;
        } else if (option == "--json") {
            arguments.json = value();
        } else {
            throw InputError("unrecognized argument: " + option);
        }
    }
    if (arguments.sources.empty()) throw InputError("the following arguments are required: SOURCE");
    return arguments;
}

// ---- what to look at

enum class Kind { image, video, live };

struct Source {
    Kind kind;
    std::string name;  // in messages and results: as given, UTF-8
    fs::path path;     // of a file
    int camera = -1;   // its number
    std::string stem;  // what its output files are called, different for each source
};

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
}

bool has_suffix(const fs::path& path, const char* suffixes) {
    const std::string suffix = lower(yolov5_dnn::detail::utf8(path.extension()));
    return !suffix.empty() && (std::string(suffixes) + " ").find(suffix + " ") != std::string::npos;
}

bool is_image(const fs::path& path) {
    return has_suffix(path, ".avif .bmp .dib .gif .hdr .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .ras .sr .tif "
                            ".tiff .webp");
}

bool is_video(const fs::path& path) {
    return has_suffix(path, ".3gp .asf .avi .flv .m2ts .m4v .mjpeg .mjpg .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts "
                            ".vob .webm .wmv");
}

// A file named by itself counts as a picture whatever its suffix: reading it will tell.
Source file_source(const fs::path& given) {
    fs::path path = given.root_path();
    for (const fs::path& part : given.relative_path())
        if (part != "." && !part.empty()) path /= part;
    return {is_video(path) ? Kind::video : Kind::image, yolov5_dnn::detail::utf8(path), path, -1,
            yolov5_dnn::detail::utf8(path.stem())};
}

std::string without_password(const std::string& url) {
    const std::size_t user = url.find("://") + 3, at = url.find('@', user), colon = url.find(':', user);
    if (at == std::string::npos || colon > at || url.find('/', user) < at) return url;
    return url.substr(0, colon) + ":***" + url.substr(at);
}

// The sources that an argument names. Throws InputError if that is nothing.
std::vector<Source> find_sources(const std::string& argument) {
    if (!argument.empty() && argument.find_first_not_of("0123456789") == std::string::npos) {
        const int number = to_int(argument);
        return {{Kind::live, "camera " + std::to_string(number), {}, number, "camera" + std::to_string(number)}};
    }
    if (argument.find("://") != std::string::npos)
        return {{is_video(argument) ? Kind::video : Kind::live, without_password(argument), argument, -1, "stream"}};
    const fs::path path(argument);
    std::error_code error;
    if (!fs::exists(path, error)) throw InputError(argument + ": no such file or folder");
    if (!fs::is_directory(path, error)) return {file_source(path)};
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(path, error))
        if ((is_image(entry.path()) || is_video(entry.path())) && entry.is_regular_file()) files.push_back(entry.path());
    if (files.empty()) throw InputError(argument + ": no pictures or videos in this folder");
    std::sort(files.begin(), files.end());
    std::vector<Source> sources;
    for (const fs::path& file : files) sources.push_back(file_source(file));
    return sources;
}

// Calls `use` on each picture of a source, with its number in the video or stream, from 0, or -1 for a picture file,
// until it returns false. Throws InputError if the source cannot be read.
void read(const Source& source, const std::function<bool(const cv::Mat&, int index, double fps)>& use) {
    if (source.kind == Kind::image) {
        // Not by imread, because that takes no Chinese names on Windows.
        std::ifstream file(source.path, std::ios::binary);
        const std::string data((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
        cv::Mat image;
        if (!data.empty()) {
            const cv::Mat bytes(1, static_cast<int>(std::min<std::size_t>(data.size(), 1U << 29)), CV_8U,
                                const_cast<char*>(data.data()));
            cv::imdecode(bytes, cv::IMREAD_COLOR, &image);
        }
        if (image.empty()) throw InputError(source.name + ": not a picture, or one that this OpenCV does not decode");
        use(image, -1, 0);
        return;
    }
    cv::VideoCapture capture;
    if (source.camera >= 0) {
        capture.open(source.camera);
    } else {
        capture.open(source.path.string());
    }
    if (!capture.isOpened()) throw InputError(source.name + ": cannot be opened as a video or stream");
    const double told = capture.get(cv::CAP_PROP_FPS), fps = told > 0 && told <= 1000 ? told : 25;
    cv::Mat frame;
    int index = 0;
    while (!interrupted && capture.read(frame))
        if (!use(frame, index++, fps)) return;
    if (index == 0) throw InputError(source.name + ": the video has no frame that can be read");
}

// ---- what to write

// The name under which a file is written before it is complete and gets its own.
fs::path part_of(const fs::path& path) { return path.parent_path() / (".part-" + path.filename().string()); }

void commit(const fs::path& path) {
    std::error_code error;
    fs::rename(part_of(path), path, error);
    if (error) throw InputError("cannot write " + yolov5_dnn::detail::utf8(path) + ": " + error.message());
}

std::string quoted(const std::string& text) {
    std::string json = "\"";
    for (const char c : text) {
        constexpr const char* digits = "0123456789abcdef";
        if (c == '"' || c == '\\') json += '\\';
        if (static_cast<unsigned char>(c) >= 0x20) {
            json += c;
        } else {
            json += std::string("\\u00") + digits[c >> 4] + digits[c & 15];
        }
    }
    return json + '"';
}

// Rounded to so many decimals, without zeros at the end but for the first, as Python writes it: 0.25, 12.0.
std::string rounded(float value, int decimals) {
    std::ostringstream stream;
    stream.imbue(std::locale::classic());
    stream << std::fixed << std::setprecision(decimals) << value;
    std::string text = stream.str();
    text.erase(std::max(text.find_last_not_of('0'), text.find('.') + 1) + 1);
    return text;
}

// An array with an object per image or frame: file, frame of a video, width, height and detections, with their boxes
// as x1, y1, x2, y2 in pixels.
class JsonFile {
public:
    explicit JsonFile(const fs::path& path) : path_(path) {
        std::error_code error;
        if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
        stream_.open(part_of(path), std::ios::binary);
        if (!stream_) throw InputError("cannot write " + yolov5_dnn::detail::utf8(path));
        stream_.imbue(std::locale::classic());
    }

    void add(const Source& source, int index, cv::Size size, const std::vector<Detection>& detections,
             const std::vector<std::string>& names) {
        stream_ << separator_ << R"({"file": )" << quoted(source.name);
        if (index >= 0) stream_ << R"(, "frame": )" << index;
        stream_ << R"(, "width": )" << size.width << R"(, "height": )" << size.height << R"(, "detections": [)";
        const char* comma = "";
        for (const Detection& found : detections) {
            stream_ << comma << R"({"class_id": )" << found.class_id << R"(, "name": )"
                    << quoted(names[static_cast<std::size_t>(found.class_id)]) << R"(, "score": )"
                    << rounded(found.score, 6) << R"(, "box": [)" << rounded(found.box.x, 3) << ", "
                    << rounded(found.box.y, 3) << ", " << rounded(found.box.br().x, 3) << ", "
                    << rounded(found.box.br().y, 3) << "]}";
            comma = ", ";
        }
        stream_ << "]}";
        separator_ = ",\n";
    }

    JsonFile(const JsonFile&) = delete;
    JsonFile& operator=(const JsonFile&) = delete;

    ~JsonFile() {
        std::error_code gone;
        stream_.close();
        fs::remove(part_of(path_), gone);  // what an error has kept from being completed
    }

    void close() {
        stream_ << (separator_[0] == '[' ? "[]\n" : "\n]\n");
        stream_.close();
        if (!stream_) throw InputError("cannot write " + yolov5_dnn::detail::utf8(path_));
        commit(path_);
    }

private:
    fs::path path_;
    std::ofstream stream_;
    const char* separator_ = "[\n";
};

// Annotated pictures and videos in a folder, under the names of their sources.
class Pictures {
public:
    Pictures(const fs::path& folder, const std::vector<Source>& sources) : folder_(folder), sources_(sources) {}

    void add(const Source& source, int index, double fps, const cv::Mat& picture) {
        if (index >= 0) {
            add_frame(source, fps, picture);
            return;
        }
        std::string suffix = source.path.extension().string();
        if (!is_image(source.path) || !cv::haveImageWriter("picture" + suffix)) suffix = ".jpg";
        const fs::path path = free_path(source.stem, suffix);
        std::vector<unsigned char> data;
        cv::imencode(suffix, picture, data);
        std::ofstream file(part_of(path), std::ios::binary);
        file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
        file.close();
        if (!file) throw InputError("cannot write " + yolov5_dnn::detail::utf8(path));
        commit(path);
    }

    // Completes the video of a source that is over.
    void end() {
        if (!video_.isOpened()) return;
        video_.release();
        commit(video_path_);
    }

private:
    void add_frame(const Source& source, double fps, const cv::Mat& picture) {
        if (!video_.isOpened()) {
            video_size_ = picture.size();
            video_path_ = free_path(source.stem, ".mp4");  // MPEG-4 in MP4 plays nearly everywhere
            if (!video_.open(part_of(video_path_).string(), cv::VideoWriter::fourcc('m', 'p', '4', 'v'), fps,
                             video_size_)) {
                video_path_.replace_extension(".avi");  // a build without FFmpeg has only this
                video_.open(part_of(video_path_).string(), cv::VideoWriter::fourcc('M', 'J', 'P', 'G'), fps,
                            video_size_);
            }
            if (!video_.isOpened())
                throw InputError("cannot write " + yolov5_dnn::detail::utf8(video_path_) +
                                 ": this OpenCV encodes neither MPEG-4 nor Motion JPEG");
        }
        cv::Mat frame = picture;
        if (frame.size() != video_size_) cv::resize(picture, frame, video_size_, 0, 0, cv::INTER_AREA);
        video_.write(frame);
    }

    // folder/stem.suffix, with "-boxes" added to the stem where that is one of the sources.
    fs::path free_path(std::string stem, const std::string& suffix) const {
        std::error_code error;
        fs::create_directories(folder_, error);
        for (;; stem += "-boxes") {
            const fs::path path = folder_ / fs::u8path(stem + suffix);
            std::error_code missing;
            const auto is_path = [&](const Source& source) { return fs::equivalent(source.path, path, missing); };
            if (std::none_of(sources_.begin(), sources_.end(), is_path)) return path;
        }
    }

    fs::path folder_, video_path_;
    const std::vector<Source>& sources_;
    cv::VideoWriter video_;
    cv::Size video_size_;
};

// Shows a picture, a still one until a key is pressed; false if that is Esc or q: no more, please.
bool show(const cv::Mat& picture, bool still) {
    const char* const title = "yolov5-dnn";
    cv::namedWindow(title, cv::WINDOW_NORMAL | cv::WINDOW_KEEPRATIO);
    cv::imshow(title, picture);
    const auto is_open = [title] { return cv::getWindowProperty(title, cv::WND_PROP_VISIBLE) >= 1; };
    int key = cv::waitKey(1);
    while (still && key < 0 && is_open() && !interrupted) key = cv::waitKey(100);
    return (key & 0xFF) != 27 && (key & 0xFF) != 'q' && is_open();
}

// ---- what to tell

// How many of each class: "4 person, 1 bus".
std::string describe(const std::map<int, int>& counts, const std::vector<std::string>& names) {
    std::string text;
    for (const auto& [class_id, count] : counts)
        text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + names[static_cast<std::size_t>(class_id)];
    return text.empty() ? "nothing" : text;
}

std::string plural(int count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

// How long each stage took, in milliseconds, on average of so many images.
std::string stages(const yolov5_dnn::Timings& timings, int images) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << "letterbox " << timings.letterbox / images << "  forward "
         << timings.forward / images << "  decode " << timings.decode / images << "  nms " << timings.nms / images
         << " ms";
    return text.str();
}

// ---- all together

int run(const Arguments& arguments) {
    std::vector<Source> sources;
    std::string problems;
    int failed = 0;
    std::set<std::string> stems;
    for (const std::string& argument : arguments.sources) {
        try {
            for (Source& source : find_sources(argument)) {
                const std::string stem = source.stem;
                for (int count = 2; !stems.insert(lower(source.stem)).second; ++count)
                    source.stem = stem + "-" + std::to_string(count);
                sources.push_back(source);
            }
        } catch (const InputError& error) {
            problems += (problems.empty() ? "" : "; ") + std::string(error.what());
            ++failed;
        }
    }
    if (sources.empty()) throw InputError(problems);
    if (failed) std::cerr << "error: " << problems << '\n';

    if (arguments.threads) cv::setNumThreads(arguments.threads);
    yolov5_dnn::Detector detector(arguments.weights.empty() ? default_weights() : arguments.weights,
                                  arguments.detector);
    const std::vector<std::string>& names = detector.info().names;

    std::unique_ptr<JsonFile> json;
    if (!arguments.json.empty()) json = std::make_unique<JsonFile>(arguments.json);
    Pictures pictures(arguments.output, sources);
    int images = 0, all_frames = 0;
    bool go_on = true;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t n = 0; n < sources.size() && go_on && !interrupted; ++n) {
        const Source& source = sources[n];
        std::map<int, int> counts;
        yolov5_dnn::Timings sum;
        cv::Size size;
        int looked_at = 0;
        try {
            read(source, [&](const cv::Mat& image, int index, double fps) {
                const std::vector<Detection> detections = detector.detect(image);

                const yolov5_dnn::Timings timings = detector.timings();
                sum.letterbox += timings.letterbox;
                sum.forward += timings.forward;
                sum.decode += timings.decode;
                sum.nms += timings.nms;
                for (const Detection& found : detections) ++counts[found.class_id];
                size = image.size();
                ++looked_at;
                if (json) json->add(source, index, size, detections, names);
                if (arguments.save || arguments.show) {
                    const cv::Mat picture = yolov5_dnn::draw(image, detections, names);
                    if (arguments.save) pictures.add(source, index, fps, picture);
                    if (arguments.show) go_on = show(picture, index < 0);
                }
                return go_on;
            });
        } catch (const InputError& error) {
            std::cerr << "error: " << error.what() << '\n';
            ++failed;
        }
        pictures.end();
        if (looked_at == 0) continue;
        (source.kind == Kind::image ? images : all_frames) += looked_at;
        if (sources.size() > 1) std::cout << '[' << n + 1 << '/' << sources.size() << "] ";
        std::cout << source.name << "  " << size.width << 'x' << size.height << "  ";
        if (source.kind != Kind::image) std::cout << plural(looked_at, "frame") << "  ";
        std::cout << describe(counts, names) << "   " << stages(sum, looked_at) << std::endl;
    }
    if (json) json->close();

    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::cout << (interrupted ? "interrupted after " : "");
    if (images || !all_frames) std::cout << plural(images, "image") << (all_frames ? ", " : "");
    if (all_frames) std::cout << plural(all_frames, "frame");
    if (failed) std::cout << ", " << failed << " failed";
    std::cout << std::fixed << std::setprecision(1) << " in " << seconds << " s ("
              << (images + all_frames) / std::max(seconds, 1e-6) << " per second)";
    if (arguments.save) std::cout << "; saved in " << yolov5_dnn::detail::utf8(arguments.output);
    std::cout << std::endl;
    return interrupted ? 130 : failed ? 1 : 0;
}

}  // namespace

int main(int count, char** words) {
    const std::vector<std::string> arguments(words + 1, words + count);
    if (std::find(arguments.begin(), arguments.end(), "--help") != arguments.end()) {
        std::cout << usage;
        return 0;
    }
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::signal(SIGTERM, [](int) { interrupted = 1; });
    // OpenCV logs each file that it cannot read; this program says it in one line of its own.
    if (!std::getenv("OPENCV_LOG_LEVEL")) cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    try {
        return run(parse(arguments));
    } catch (const std::exception& error) {
        std::cerr << "error: " << error.what() << '\n';
        return 2;
    }
}
