// Caffe's pooling and within-channel LRN for the CPU, each forward and backward in one pass.
//
// Every tensor is channels-last, so memory holds (image, row, column, channel) and the innermost loops run over
// neighbouring channels, which the compiler turns into vector instructions. Values are float or bfloat16; sums are
// float. Threads share out the images, and each image is worked on in one fixed order: the same answer every time.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

namespace {

using at::Tensor;

// c10::BFloat16 rounds with a branch for NaN, which stops the compiler's vectoriser. The NaNs that this rounding would
// lose (0x7fff8000 and above) come neither from arithmetic, which makes 0x7fc00000, nor out of a bfloat16.
struct BF16 {
  uint16_t bits;
  operator float() const {
    uint32_t wide = uint32_t(bits) << 16;
    float value;
    std::memcpy(&value, &wide, 4);
    return value;
  }
  BF16() = default;
  BF16(float value) {
    uint32_t wide;
    std::memcpy(&wide, &value, 4);
    bits = uint16_t((wide + 0x7fff + ((wide >> 16) & 1)) >> 16);  // to the nearest, ties to even
  }
};

struct Size {
  int64_t images, rows, columns, channels;
  int64_t row() const { return columns * channels; }
  int64_t image() const { return rows * row(); }
  Size halved() const { return {images, rows / 2, columns / 2, channels}; }
};

Size size_of(const Tensor& x) {
  TORCH_CHECK(x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast), "give a channels-last (N, C, H, W) tensor");
  return {x.size(0), x.size(2), x.size(3), x.size(1)};
}

// Backward gets what forward gave; a size or type that does not fit is an error, not memory read beyond its end.
void check_like(const char* what, const Tensor& x, const Size& n, at::ScalarType type) {
  Size m = size_of(x);
  TORCH_CHECK(m.images == n.images && m.rows == n.rows && m.columns == n.columns && m.channels == n.channels &&
                  x.scalar_type() == type,
              what, " is not the forward pass's: ", x.scalar_type(), " ", x.sizes());
}

Size pooled_size_of(const Tensor& x) {
  Size n = size_of(x);
  TORCH_CHECK(n.rows % 2 == 0 && n.columns % 2 == 0, "give even rows and columns, not ", n.rows, "x", n.columns);
  return n;
}

Tensor new_tensor(const Size& n, const Tensor& like, at::ScalarType type) {
  return at::empty({n.images, n.channels, n.rows, n.columns}, like.options().dtype(type), at::MemoryFormat::ChannelsLast);
}

template <typename T>
T* values(const Tensor& x) {
  return static_cast<T*>(x.data_ptr());
}

template <typename Work>
void for_each_image(int64_t images, const Work& work) {
  at::parallel_for(0, images, 1, [&](int64_t first, int64_t last) {
    for (int64_t image = first; image < last; ++image) work(image);
  });
}

// Calls work<T> for the tensor's type.
#define FOR_TYPE(x, ...)                                        \
  if (x.scalar_type() == at::kBFloat16) {                       \
    using T = BF16;                                             \
    __VA_ARGS__                                                 \
  } else {                                                      \
    TORCH_CHECK(x.scalar_type() == at::kFloat, "give float or bfloat16, not ", x.scalar_type()); \
    using T = float;                                            \
    __VA_ARGS__                                                 \
  }

// How many of a window's three rows (or columns) lie inside.
int64_t inside(int64_t window, int64_t rows) { return std::min<int64_t>(3, rows - 2 * window); }

// Max pooling takes 16 channels at a time, in gcc's and clang's own vector types: its choices are more than their
// vectorisers see through.
constexpr int64_t LANES = 16;
typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
typedef uint8_t Bytes __attribute__((vector_size(LANES)));

template <typename Vector, typename T>
Vector load_vector(const T* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

Floats load(const float* from) { return load_vector<Floats>(from); }
Floats load(const BF16* from) {
  Words wide = __builtin_convertvector(load_vector<Halves>(from), Words) << 16;
  return (Floats)wide;
}
Ints load(const uint8_t* from) { return __builtin_convertvector(load_vector<Bytes>(from), Ints); }

void store(Floats vector, float* to) { std::memcpy(to, &vector, sizeof vector); }
void store(Floats vector, BF16* to) {
  Words wide = (Words)vector;
  Halves halves = __builtin_convertvector((wide + 0x7fff + ((wide >> 16) & 1)) >> 16, Halves);
  std::memcpy(to, &halves, sizeof halves);
}
void store(Ints vector, uint8_t* to) {
  Bytes bytes = __builtin_convertvector(vector, Bytes);
  std::memcpy(to, &bytes, sizeof bytes);
}

void check_channels(const Size& n) {
  TORCH_CHECK(n.channels % LANES == 0, "give a multiple of ", LANES, " channels, not ", n.channels);
}

constexpr int32_t NO_GRADIENT = 9;  // the place of a window whose largest value ReLU sets to zero

// relu(max pooling 3x3, stride 2, size rounded up), and which of the window's 9 places, row by row, was the first largest.
template <typename T>
void max_pool_relu_image(const T* x, T* y, uint8_t* place, const Size& n) {
  const Floats zero = {};
  for (int64_t i = 0; i < n.rows / 2; ++i)
    for (int64_t j = 0; j < n.columns / 2; ++j)
      for (int64_t c = 0; c < n.channels; c += LANES, y += LANES, place += LANES) {
        const T* window = x + 2 * i * n.row() + 2 * j * n.channels + c;
        Floats best = load(window);
        Ints at = {};
        for (int64_t row = 0; row < inside(i, n.rows); ++row)
          for (int64_t column = 0; column < inside(j, n.columns); ++column) {
            Floats value = load(window + row * n.row() + column * n.channels);
            Ints better = (value > best) | (value != value);  // NaN goes through, as in torch
            best = better ? value : best;
            at = better ? Ints{} + int32_t(3 * row + column) : at;
          }
        store(best < zero ? zero : best, y);
        store(best <= zero ? Ints{} + NO_GRADIENT : at, place);
      }
}

template <typename T>
void max_pool_relu_image_backward(const T* gradient, const uint8_t* place, T* out, const Size& n) {
  const Size pooled = n.halved();
  struct Window {
    Floats gradient = {};
    Ints place = {};
    Floats at(int32_t p) const { return place == p ? gradient : Floats{}; }
  };
  for (int64_t i = 0; i < pooled.rows; ++i)
    for (int64_t j = 0; j < pooled.columns; ++j)
      for (int64_t c = 0; c < n.channels; c += LANES) {
        auto window = [&](int64_t up, int64_t left) {
          if (i < up || j < left) return Window{};
          int64_t k = (i - up) * pooled.row() + (j - left) * n.channels + c;
          return Window{load(gradient + k), load(place + k)};
        };
        // the four inputs that only the windows here, above, to the left and above to the left hold
        const Window here = window(0, 0), above = window(1, 0), left = window(0, 1), corner = window(1, 1);
        T* to = out + 2 * i * n.row() + 2 * j * n.channels + c;
        store(here.at(0) + above.at(6) + left.at(2) + corner.at(8), to);
        store(here.at(1) + above.at(7), to + n.channels);
        store(here.at(3) + left.at(5), to + n.row());
        store(here.at(4), to + n.row() + n.channels);
      }
}

std::tuple<Tensor, Tensor> max_pool_relu(const Tensor& x) {
  Size n = pooled_size_of(x);
  check_channels(n);
  Tensor y = new_tensor(n.halved(), x, x.scalar_type()), place = new_tensor(n.halved(), x, at::kByte);
  FOR_TYPE(x, for_each_image(n.images, [&](int64_t image) {
             int64_t pooled = image * n.halved().image();
             max_pool_relu_image(values<T>(x) + image * n.image(), values<T>(y) + pooled, values<uint8_t>(place) + pooled, n);
           });)
  return {y, place};
}

Tensor max_pool_relu_backward(const Tensor& gradient, const Tensor& place) {
  Size half = size_of(gradient), n = {half.images, 2 * half.rows, 2 * half.columns, half.channels};
  check_like("place", place, half, at::kByte);
  check_channels(n);
  Tensor out = new_tensor(n, gradient, gradient.scalar_type());
  FOR_TYPE(gradient, for_each_image(n.images, [&](int64_t image) {
             int64_t pooled = image * half.image();
             max_pool_relu_image_backward(values<T>(gradient) + pooled, values<uint8_t>(place) + pooled, values<T>(out) + image * n.image(), n);
           });)
  return out;
}

// average pooling 3x3, stride 2, size rounded up, of relu(x): a window at the edge averages what it holds.
template <typename T>
void relu_average_pool_image(const T* x, T* y, const Size& n) {
  std::vector<float> sums(n.row() + n.channels, 0.0f);  // zeros for the column after the last
  for (int64_t i = 0; i < n.rows / 2; ++i) {
    std::fill(sums.begin(), sums.begin() + n.row(), 0.0f);
    for (int64_t row = 2 * i; row < 2 * i + inside(i, n.rows); ++row)
      for (int64_t k = 0; k < n.row(); ++k) {
        float value = x[row * n.row() + k];
        sums[k] += value < 0 ? 0.0f : value;
      }
    for (int64_t j = 0; j < n.columns / 2; ++j) {
      float share = 1.0f / float(inside(i, n.rows) * inside(j, n.columns));
      const float *first = sums.data() + 2 * j * n.channels, *second = first + n.channels, *third = second + n.channels;
      for (int64_t c = 0; c < n.channels; ++c) *y++ = share * (first[c] + second[c] + third[c]);
    }
  }
}

template <typename T>
void relu_average_pool_image_backward(const T* gradient, const T* x, T* out, const Size& n) {
  const Size pooled = n.halved();
  std::vector<float> sums(pooled.row() + n.channels, 0.0f), zeros(n.channels, 0.0f);
  float* sum = sums.data() + n.channels;  // zeros for the window before the first
  for (int64_t row = 0; row < n.rows; ++row) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (int64_t i = row / 2; i >= 0 && row - 2 * i < 3; --i)
      for (int64_t j = 0; j < pooled.columns; ++j) {
        float share = 1.0f / float(inside(i, n.rows) * inside(j, n.columns));
        for (int64_t c = 0; c < n.channels; ++c)
          sum[j * n.channels + c] += share * gradient[i * pooled.row() + j * n.channels + c];
      }
    for (int64_t column = 0; column < n.columns; ++column) {
      const float* window = sum + column / 2 * n.channels;
      const float* before = column % 2 == 0 ? window - n.channels : zeros.data();
      for (int64_t c = 0; c < n.channels; ++c, ++x) *out++ = *x <= 0 ? 0.0f : window[c] + before[c];
    }
  }
}

Tensor relu_average_pool(const Tensor& x) {
  Size n = pooled_size_of(x);
  Tensor y = new_tensor(n.halved(), x, x.scalar_type());
  FOR_TYPE(x, for_each_image(n.images, [&](int64_t image) {
             relu_average_pool_image(values<T>(x) + image * n.image(), values<T>(y) + image * n.halved().image(), n);
           });)
  return y;
}

Tensor relu_average_pool_backward(const Tensor& gradient, const Tensor& x) {
  Size n = pooled_size_of(x);
  check_like("gradient", gradient, n.halved(), x.scalar_type());
  Tensor out = new_tensor(n, x, x.scalar_type());
  FOR_TYPE(x, for_each_image(n.images, [&](int64_t image) {
             relu_average_pool_image_backward(values<T>(gradient) + image * n.halved().image(), values<T>(x) + image * n.image(),
                                              values<T>(out) + image * n.image(), n);
           });)
  return out;
}

// Calls work(index, mean) with the mean of values(index) over 3x3 neighbours, zeros outside included, for a whole image.
template <typename Values, typename Work>
void mean_3x3(const Size& n, const Values& values, const Work& work) {
  std::vector<float> sums(n.row() + 2 * n.channels, 0.0f);  // zeros for the columns -1 and n.columns
  float* sum = sums.data() + n.channels;
  for (int64_t row = 0; row < n.rows; ++row) {
    std::fill(sum, sum + n.row(), 0.0f);
    for (int64_t r = std::max<int64_t>(0, row - 1); r < std::min(n.rows, row + 2); ++r)
      for (int64_t k = 0; k < n.row(); ++k) sum[k] += values(r * n.row() + k);
    for (int64_t k = 0; k < n.row(); ++k)
      work(row * n.row() + k, (sum[k - n.channels] + sum[k] + sum[k + n.channels]) * (1.0f / 9));
  }
}

// y = x * s**-0.75 with s = 1 + alpha * mean_3x3(x**2); also s**-0.25, for the way back.
std::tuple<Tensor, Tensor> lrn(const Tensor& x, double alpha) {
  Size n = size_of(x);
  Tensor y = new_tensor(n, x, x.scalar_type()), root = new_tensor(n, x, at::kFloat);
  FOR_TYPE(x, for_each_image(n.images, [&](int64_t image) {
             const T* from = values<T>(x) + image * n.image();
             T* to = values<T>(y) + image * n.image();
             float *roots = values<float>(root) + image * n.image(), a = float(alpha);
             mean_3x3(n, [&](int64_t k) { float v = from[k]; return v * v; },
                      [&](int64_t k, float mean) {
                        float r = std::sqrt(1.0f / std::sqrt(1.0f + a * mean));
                        roots[k] = r;
                        to[k] = from[k] * (r * r * r);
                      });
           });)
  return {y, root};
}

// dL/dx = g * s**-0.75 - 1.5 * alpha * x * mean_3x3(g * x * s**-1.75).
Tensor lrn_backward(const Tensor& gradient, const Tensor& x, const Tensor& root, double alpha) {
  Size n = size_of(x);
  check_like("gradient", gradient, n, x.scalar_type());
  check_like("root", root, n, at::kFloat);
  Tensor out = new_tensor(n, x, x.scalar_type());
  FOR_TYPE(x, for_each_image(n.images, [&](int64_t image) {
             const T *g = values<T>(gradient) + image * n.image(), *from = values<T>(x) + image * n.image();
             const float *r = values<float>(root) + image * n.image(), slope = float(1.5 * alpha);
             T* to = values<T>(out) + image * n.image();
             std::vector<float> spread(n.image());
             for (int64_t k = 0; k < n.image(); ++k) {
               float r2 = r[k] * r[k], r3 = r2 * r[k];
               spread[k] = g[k] * from[k] * (r3 * r2 * r2);
             }
             mean_3x3(n, [&](int64_t k) { return spread[k]; },
                      [&](int64_t k, float mean) { to[k] = g[k] * (r[k] * r[k] * r[k]) - slope * from[k] * mean; });
           });)
  return out;
}

}  // namespace

TORCH_LIBRARY(clrlib, m) {
  m.def("max_pool_relu(Tensor x) -> (Tensor, Tensor)");
  m.def("max_pool_relu_backward(Tensor gradient, Tensor place) -> Tensor");
  m.def("relu_average_pool(Tensor x) -> Tensor");
  m.def("relu_average_pool_backward(Tensor gradient, Tensor x) -> Tensor");
  m.def("lrn(Tensor x, float alpha) -> (Tensor, Tensor)");
  m.def("lrn_backward(Tensor gradient, Tensor x, Tensor root, float alpha) -> Tensor");
}

TORCH_LIBRARY_IMPL(clrlib, CPU, m) {  // any other device is refused by torch
  m.impl("max_pool_relu", &max_pool_relu);
  m.impl("max_pool_relu_backward", &max_pool_relu_backward);
  m.impl("relu_average_pool", &relu_average_pool);
  m.impl("relu_average_pool_backward", &relu_average_pool_backward);
  m.impl("lrn", &lrn);
  m.impl("lrn_backward", &lrn_backward);
}
