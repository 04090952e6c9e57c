#include "server/http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/error.h"
#include "base/file.h"

namespace fathom::server {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

namespace {

constexpr int64_t kMostBytes = int64_t{1} << 20;

// A message of OpenSSL for people.
std::string text_of(const error_code& error) { return printable(error.message(), 200); }

}  // namespace

std::unique_ptr<ssl::context> tls_context(const std::string& cert, const std::string& key) {
  const std::string chain = read_text(cert, kMostBytes), secret = read_text(key, kMostBytes);
  auto context = std::make_unique<ssl::context>(ssl::context::tls_server);
  context->set_options(ssl::context::default_workarounds | ssl::context::single_dh_use);
  if (SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION) != 1)
    fail(ErrorCode::internal, "TLS: expected version 1.2 to be there, found it is not");
  error_code error;
  static_cast<void>(context->use_certificate_chain(boost::asio::buffer(chain), error));
  if (error) bad_input("{}: expected a certificate chain in PEM, found: {}", printable(cert), text_of(error));
  // Nobody is there to type a passphrase.
  bool asked = false;
  static_cast<void>(context->set_password_callback(
      [&asked](size_t, ssl::context::password_purpose) {
        asked = true;
        return std::string();
      },
      error));
  static_cast<void>(context->use_private_key(boost::asio::buffer(secret), ssl::context::pem, error));
  if (error && asked)
    bad_input("{}: expected a private key without a passphrase, found one with it", printable(key));
  const bool other =
      error && ERR_GET_REASON(static_cast<unsigned long>(error.value())) == X509_R_KEY_VALUES_MISMATCH;
  if (other || (!error && SSL_CTX_check_private_key(context->native_handle()) != 1)) {
    bad_input("{}: expected the private key of {}, found another's", printable(key), printable(cert));
  }
  if (error) bad_input("{}: expected a private key in PEM, found: {}", printable(key), text_of(error));
  // The callback refers to this function's frame.
  SSL_CTX_set_default_passwd_cb(context->native_handle(), nullptr);
  ERR_clear_error();
  return context;
}

}  // namespace fathom::server
