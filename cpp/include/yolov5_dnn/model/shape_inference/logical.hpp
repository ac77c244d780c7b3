// SPDX-License-Identifier: Apache-2.0
// ONNX's group `logical`: comparisons and what they are joined by.

#pragma once

#include "context.hpp"

namespace yolov5_dnn {

namespace detail {

inline const Operators logical_operators = {
    {"And", {elementwise}},  {"Equal", {elementwise}}, {"Greater", {elementwise}},
    {"Less", {elementwise}}, {"Not", {unary}},         {"Or", {elementwise}},
};

}  // namespace detail

}  // namespace yolov5_dnn
