#pragma once
/// Explicit instantiation of block code for float (dispatched kernels) and double (the oracle).

// `template decltype(f<float>) f<float>;` is a valid instantiation, so one macro serves every block.
#define FATHOM_INSTANTIATE(function)                  \
  template decltype(function<float>) function<float>; \
  template decltype(function<double>) function<double>
#define FATHOM_INSTANTIATE_CLASS(name) \
  template class name<float>;          \
  template class name<double>
