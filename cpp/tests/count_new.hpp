// SPDX-License-Identifier: Apache-2.0
// How often this process has called `new`.

#pragma once

#include <atomic>

extern std::atomic<long> allocations;
