#pragma once
/// Telling systemd how a service stands (sd_notify(3)), without its library.

#include <string>

namespace fathom::cli {

/// Sends "READY=1", "STOPPING=1", ... to the socket that $NOTIFY_SOCKET names; nothing without it.
void notify_manager(const std::string& state);

}  // namespace fathom::cli
