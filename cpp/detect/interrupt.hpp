// SPDX-License-Identifier: Apache-2.0
// Stopping on Ctrl-C without losing anything.

#pragma once

#include <atomic>
#include <csignal>
#include <initializer_list>

namespace detect {

// Set by Ctrl-C, and by a service manager's "terminate": everything comes to an end, and what was written is completed.
inline std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may not wait");

inline void note_interrupts() {
    for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { interrupted = true; });
}

}  // namespace detect
