#pragma once
/// The certificate and key that a listener answers with. Only for server/http/*.cc.

#include <boost/asio/ssl/context.hpp>  // NOLINT: this header is for the files that know sockets
#include <memory>
#include <string>

namespace fathom::server {

/// TLS 1.2 and 1.3 with the certificate chain and the private key of two PEM files.
/// Throws Error(not_found, io) for a file that cannot be read, Error(bad_input) for one that is not what it
/// should be, and for a key that is not the certificate's.
std::unique_ptr<boost::asio::ssl::context> tls_context(const std::string& cert, const std::string& key);

}  // namespace fathom::server
