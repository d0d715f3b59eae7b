// 5x5 convolutions by Winograd's F(4x4, 5x5): an 8x8 tile of the input gives a 4x4 tile of the output with 64 products
// where the definition takes 400. docs/kernel.md derives what is written here.
//
// Memory holds (row, column, channel); vectors run over neighbouring channels, so each lane does the same sums in the
// same order whatever the width of a vector.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 8;  // 8 rows of 2 vectors are 16 sums in registers: two FMAs a cycle, latency hidden
#else
constexpr int LANES = 8, ROWS = 4;
#endif
typedef float Vec __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t Ints __attribute__((vector_size(4 * LANES), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

// Keeps a vector that several FMAs take in a register: gcc would load it anew for each.
#if defined(__AVX512F__)
#define KEEP(vector) asm("" : "+v"(vector))
#else
#define KEEP(vector)
#endif

INLINE Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
INLINE void store(float* to, Vec vector) { *reinterpret_cast<Vec*>(to) = vector; }

constexpr int POINTS = 64;  // 8x8: the points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity along rows and columns

// Row of a point p: (1, p, p^2, p^3, p^4) / product of (p - q) over the other points q; infinity takes the last weight.
constexpr float G[8][5] = {
    {-1, 0, 0, 0, 0},
    {-2 / 9.f, -2 / 9.f, -2 / 9.f, -2 / 9.f, -2 / 9.f},
    {-2 / 9.f, 2 / 9.f, -2 / 9.f, 2 / 9.f, -2 / 9.f},
    {1 / 90.f, 2 / 90.f, 4 / 90.f, 8 / 90.f, 16 / 90.f},
    {1 / 90.f, -2 / 90.f, 4 / 90.f, -8 / 90.f, 16 / 90.f},
    {32 / 45.f, 16 / 45.f, 8 / 45.f, 4 / 45.f, 2 / 45.f},
    {32 / 45.f, -16 / 45.f, 8 / 45.f, -4 / 45.f, 2 / 45.f},
    {0, 0, 0, 0, 1},
};

// B^T d: row of a point p holds the coefficients of the product of (x - q) over the other points q.
template <typename V>
INLINE void transform_input(const V d[8], V y[8]) {
  y[0] = 5.25f * (d[2] - d[4]) + (d[6] - d[0]);
  y[7] = 5.25f * (d[3] - d[5]) + (d[7] - d[1]);
  V even = (d[2] + d[6]) - 4.25f * d[4], odd = (d[1] + d[5]) - 4.25f * d[3];
  y[1] = even + odd;
  y[2] = even - odd;
  even = (0.25f * d[2] + d[6]) - 1.25f * d[4];
  odd = (0.5f * d[1] + 2.0f * d[5]) - 2.5f * d[3];
  y[3] = even + odd;
  y[4] = even - odd;
  even = (4.0f * d[2] + d[6]) - 5.0f * d[4];
  odd = (2.0f * d[1] + 0.5f * d[5]) - 2.5f * d[3];
  y[5] = even + odd;
  y[6] = even - odd;
}

// A^T m: output k is the sum of p^k m_p over the points; infinity adds to the last.
INLINE void transform_output(const Vec m[8], Vec y[4]) {
  Vec even1 = m[1] + m[2], odd1 = m[1] - m[2], even2 = m[3] + m[4], odd2 = m[3] - m[4];
  Vec even3 = m[5] + m[6], odd3 = m[5] - m[6];
  y[0] = (m[0] + even1) + (even2 + even3);
  y[1] = odd1 + (2.0f * odd2 + 0.5f * odd3);
  y[2] = even1 + (4.0f * even2 + 0.25f * even3);
  y[3] = (odd1 + m[7]) + (8.0f * odd2 + 0.125f * odd3);
}

// A y: the transpose of transform_output.
INLINE void transform_gradient(const Vec y[4], Vec m[8]) {
  m[0] = y[0];
  m[7] = y[3];
  Vec even = y[0] + y[2], odd = y[1] + y[3];
  m[1] = even + odd;
  m[2] = even - odd;
  even = y[0] + 4.0f * y[2];
  odd = 2.0f * y[1] + 8.0f * y[3];
  m[3] = even + odd;
  m[4] = even - odd;
  even = y[0] + 0.25f * y[2];
  odd = 0.5f * y[1] + 0.125f * y[3];
  m[5] = even + odd;
  m[6] = even - odd;
}

// Floats from one point to the next where each holds (tiles, channels); 16 more than they take, so that the points lie in
// different sets of the cache.
constexpr int stride(int tiles, int channels) { return tiles * channels + 16; }

// B^T d B of every tile of one image x (PADDED, PADDED, channels), to v (POINTS, tiles, channels) from tile `first` on.
template <int ACROSS, int CHANNELS, int STRIDE>
static void tiles_of_input(const float* x, float* v, int first) {
  constexpr int PADDED = 4 * ACROSS + 4;
  for (int c = 0; c < CHANNELS; c += LANES)
    for (int row = 0; row < ACROSS; ++row) {
      Vec down[PADDED][8];  // the pass along a column serves both tiles that hold it
      for (int j = 0; j < PADDED; ++j) {
        Vec d[8];
        UNROLL for (int i = 0; i < 8; ++i) d[i] = load(x + ((4 * row + i) * PADDED + j) * CHANNELS + c);
        transform_input(d, down[j]);
      }
      for (int column = 0; column < ACROSS; ++column) {
        float* to = v + (first + row * ACROSS + column) * CHANNELS + c;
        UNROLL for (int i = 0; i < 8; ++i) {
          Vec d[8], y[8];
          UNROLL for (int j = 0; j < 8; ++j) d[j] = down[4 * column + j][i];
          transform_input(d, y);
          UNROLL for (int j = 0; j < 8; ++j) store(to + (8 * i + j) * STRIDE, y[j]);
        }
      }
    }
}

// A^T m A + bias of a tile whose points lie STRIDE floats apart, to 4x4 pixels.
template <int STRIDE>
INLINE void tile_to_output(const float* m, Vec bias, float* y, int row, int pixel) {
  Vec down[8][4];
  UNROLL for (int j = 0; j < 8; ++j) {
    Vec column[8];
    UNROLL for (int i = 0; i < 8; ++i) column[i] = load(m + (8 * i + j) * STRIDE);
    transform_output(column, down[j]);
  }
  UNROLL for (int i = 0; i < 4; ++i) {
    Vec across[8], out[4];
    UNROLL for (int j = 0; j < 8; ++j) across[j] = down[j][i];
    transform_output(across, out);
    UNROLL for (int j = 0; j < 4; ++j) store(y + i * row + j * pixel, out[j] + bias);
  }
}

// The same of every tile of one image, to y (SIDE, SIDE, channels).
template <int ACROSS, int CHANNELS, int STRIDE>
static void tiles_to_output(const float* m, int first, const float* bias, float* y) {
  constexpr int ROW = 4 * ACROSS * CHANNELS;
  for (int tile = 0; tile < ACROSS * ACROSS; ++tile)
    for (int c = 0; c < CHANNELS; c += LANES)
      tile_to_output<STRIDE>(m + (first + tile) * CHANNELS + c, bias ? load(bias + c) : Vec{},
                             y + tile / ACROSS * 4 * ROW + tile % ACROSS * 4 * CHANNELS + c, ROW, CHANNELS);
}

// A g A^T of a 4x4 tile of gradients.
INLINE void transform_gradient_tile(const Vec g[4][4], float* to, int stride) {
  Vec down[4][8];
  UNROLL for (int j = 0; j < 4; ++j) {
    Vec column[4];
    UNROLL for (int i = 0; i < 4; ++i) column[i] = g[i][j];
    transform_gradient(column, down[j]);
  }
  UNROLL for (int i = 0; i < 8; ++i) {
    Vec across[4], m[8];
    UNROLL for (int j = 0; j < 4; ++j) across[j] = down[j][i];
    transform_gradient(across, m);
    UNROLL for (int j = 0; j < 8; ++j) store(to + (8 * i + j) * stride, m[j]);
  }
}

// A g A^T of every tile of one image g (PADDED, PADDED, channels).
template <int ACROSS, int CHANNELS, int STRIDE>
static void tiles_of_gradient(const float* g, float* m, int first) {
  constexpr int PADDED = 4 * ACROSS + 4;
  for (int tile = 0; tile < ACROSS * ACROSS; ++tile)
    for (int c = 0; c < CHANNELS; c += LANES) {
      const float* from = g + ((tile / ACROSS * 4 + 2) * PADDED + tile % ACROSS * 4 + 2) * CHANNELS + c;
      Vec square[4][4];
      UNROLL for (int i = 0; i < 4; ++i) UNROLL for (int j = 0; j < 4; ++j)
          square[i][j] = load(from + (i * PADDED + j) * CHANNELS);
      transform_gradient_tile(square, m + (first + tile) * CHANNELS + c, STRIDE);
    }
}

// For each point: m (tiles, OUT) = v (tiles, IN) times u (IN, OUT).
template <int TILES, int IN, int OUT>
static void multiply(const float* v, const float* u, float* m) {
  for (int p = 0; p < POINTS; ++p, v += stride(TILES, IN), u += IN * OUT, m += stride(TILES, OUT))
    for (int k = 0; k < OUT; k += 2 * LANES)
      for (int t = 0; t < TILES; t += ROWS) {
        Vec sum[ROWS][2] = {};
        _Pragma("GCC unroll 4") for (int c = 0; c < IN; ++c) {
          Vec u0 = load(u + c * OUT + k), u1 = load(u + c * OUT + k + LANES);
          UNROLL for (int r = 0; r < ROWS; ++r) {
            float value = v[(t + r) * IN + c];
            sum[r][0] += value * u0;
            sum[r][1] += value * u1;
          }
        }
        UNROLL for (int r = 0; r < ROWS; ++r) {
          store(m + (t + r) * OUT + k, sum[r][0]);
          store(m + (t + r) * OUT + k + LANES, sum[r][1]);
        }
      }
}

// For each point: u (IN, OUT) += v (tiles, IN) transposed times m (tiles, OUT); first: u = instead.
template <int TILES, int IN, int OUT>
static void multiply_transposed(const float* v, const float* m, float* u, bool first) {
  for (int p = 0; p < POINTS; ++p, v += stride(TILES, IN), m += stride(TILES, OUT), u += IN * OUT)
    for (int k = 0; k < OUT; k += 2 * LANES)
      for (int c = 0; c < IN; c += ROWS) {
        Vec sum[ROWS][2];
        UNROLL for (int r = 0; r < ROWS; ++r) {
          sum[r][0] = first ? Vec{} : load(u + (c + r) * OUT + k);
          sum[r][1] = first ? Vec{} : load(u + (c + r) * OUT + k + LANES);
        }
        _Pragma("GCC unroll 4") for (int t = 0; t < TILES; ++t) {
          Vec m0 = load(m + t * OUT + k), m1 = load(m + t * OUT + k + LANES);
          UNROLL for (int r = 0; r < ROWS; ++r) {
            float value = v[t * IN + c + r];
            sum[r][0] += value * m0;
            sum[r][1] += value * m1;
          }
        }
        UNROLL for (int r = 0; r < ROWS; ++r) {
          store(u + (c + r) * OUT + k, sum[r][0]);
          store(u + (c + r) * OUT + k + LANES, sum[r][1]);
        }
      }
}

// G g G^T of the filters g (25, channels), to u (POINTS, channels) whose points lie `stride` floats apart.
INLINE void transform_weights(const float* g, int channels, float* u, int stride) {
  for (int c = 0; c < channels; c += LANES) {
    Vec down[8][5] = {};
    UNROLL for (int i = 0; i < 8; ++i) UNROLL for (int j = 0; j < 5; ++j)
        UNROLL for (int k = 0; k < 5; ++k) down[i][j] += G[i][k] * load(g + (5 * k + j) * channels + c);
    UNROLL for (int i = 0; i < 8; ++i) UNROLL for (int j = 0; j < 8; ++j) {
      Vec sum = {};
      UNROLL for (int k = 0; k < 5; ++k) sum += G[j][k] * down[i][k];
      store(u + (8 * i + j) * stride + c, sum);
    }
  }
}

// The transpose, G^T u G, of the sum of the u of all chains: the gradient of the filters.
INLINE void transform_weights_back(const float* u, int chains, int64_t chain, int stride, int channels, float* g) {
  for (int c = 0; c < channels; c += LANES) {
    Vec down[5][8] = {};
    UNROLL for (int i = 0; i < 8; ++i) UNROLL for (int j = 0; j < 8; ++j) {
      const float* from = u + (8 * i + j) * stride + c;
      Vec value = load(from);
      for (int n = 1; n < chains; ++n) value += load(from + n * chain);
      UNROLL for (int k = 0; k < 5; ++k) down[k][j] += G[i][k] * value;
    }
    UNROLL for (int i = 0; i < 5; ++i) UNROLL for (int j = 0; j < 5; ++j) {
      Vec sum = {};
      UNROLL for (int k = 0; k < 8; ++k) sum += G[k][j] * down[i][k];
      store(g + (5 * i + j) * channels + c, sum);
    }
  }
}
