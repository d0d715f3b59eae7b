// What stands between the convolutions of Caffe's cifar10_full, for one image, forward and backward: max and average
// pooling, ReLU, local response normalisation, the first convolution (which has too few channels for vectors of them).
// docs/kernel.md derives what is computed here and says why in this order.
#pragma once

#include "winograd.h"

constexpr int CHANNELS = 32;  // after the first and the second convolution

// s^-1/4 for s >= 1: an initial guess from the bits of s, then three steps of Newton's method, each squaring the error.
INLINE Vec inverse_fourth_root(Vec s) {
  Ints bits;
  std::memcpy(&bits, &s, sizeof bits);
  bits = 0x4f58cae5 - (bits >> 2);
  Vec q;
  std::memcpy(&q, &bits, sizeof q);
  UNROLL for (int step = 0; step < 3; ++step) {
    Vec square = q * q;
    q = q * (1.25f - (0.25f * s) * (square * square));
  }
  return q;
}

// Mean over 3x3 neighbours of a plane that has a border of zeros: sums along rows first.
template <int SIDE>
INLINE void sum_rows(const Vec plane[SIDE + 2][SIDE + 2], Vec sums[SIDE + 2][SIDE]) {
  for (int j = 0; j < SIDE; ++j) sums[0][j] = sums[SIDE + 1][j] = Vec{};
  for (int i = 1; i <= SIDE; ++i)
    for (int j = 0; j < SIDE; ++j) sums[i][j] = plane[i][j] + plane[i][j + 1] + plane[i][j + 2];
}

// y = x s^-3/4 with s = 1 + alpha mean_3x3(x^2). Keeps q = s^-1/4. y lies in a plane with a border of two.
template <int SIDE>
static void normalise(const float* x, float alpha, float* q, float* y) {
  for (int c = 0; c < CHANNELS; c += LANES) {
    Vec squares[SIDE + 2][SIDE + 2] = {}, sums[SIDE + 2][SIDE];
    for (int i = 0; i < SIDE; ++i)
      for (int j = 0; j < SIDE; ++j) {
        Vec value = load(x + (i * SIDE + j) * CHANNELS + c);
        squares[i + 1][j + 1] = value * value;
      }
    sum_rows<SIDE>(squares, sums);
    for (int i = 0; i < SIDE; ++i)
      for (int j = 0; j < SIDE; ++j) {
        int k = (i * SIDE + j) * CHANNELS + c;
        Vec root = inverse_fourth_root(1.0f + (alpha / 9) * (sums[i][j] + sums[i + 1][j] + sums[i + 2][j]));
        store(q + k, root);
        store(y + ((i + 2) * (SIDE + 4) + j + 2) * CHANNELS + c, load(x + k) * (root * root * root));
      }
  }
}

// The way back: g s^-3/4 - 3/2 alpha x mean_3x3(g x s^-7/4), to a plane with BORDER rows and columns before the first.
template <int SIDE, int BORDER>
static void normalise_back(const float* x, const float* q, float alpha, const float* g, float* out) {
  for (int c = 0; c < CHANNELS; c += LANES) {
    Vec spread[SIDE + 2][SIDE + 2] = {}, sums[SIDE + 2][SIDE];
    for (int i = 0; i < SIDE; ++i)
      for (int j = 0; j < SIDE; ++j) {
        int k = (i * SIDE + j) * CHANNELS + c;
        Vec root = load(q + k), cube = root * root * root;
        spread[i + 1][j + 1] = load(g + k) * load(x + k) * (cube * cube * root);
      }
    sum_rows<SIDE>(spread, sums);
    for (int i = 0; i < SIDE; ++i)
      for (int j = 0; j < SIDE; ++j) {
        int k = (i * SIDE + j) * CHANNELS + c;
        Vec root = load(q + k), mean = (1.5f * alpha / 9) * (sums[i][j] + sums[i + 1][j] + sums[i + 2][j]);
        float* to = out + ((i + BORDER) * (SIDE + BORDER) + j + BORDER) * CHANNELS + c;
        store(to, load(g + k) * (root * root * root) - load(x + k) * mean);
      }
  }
}

// A plane into a wider one, from row and column BORDER on: in place of normalise and normalise_back where there is none.
template <int SIDE, int BORDER, int WIDTH>
static void copy_plane(const float* x, float* y) {
  for (int i = 0; i < SIDE; ++i)
    std::memcpy(y + ((i + BORDER) * WIDTH + BORDER) * CHANNELS, x + i * SIDE * CHANNELS, 4 * SIDE * CHANNELS);
}

constexpr int32_t NOWHERE = 9;  // the place of a window whose largest value ReLU sets to zero

// relu(max pooling 3x3, stride 2, size rounded up) of x (33, 33, 32), whose last row and column are -infinity. place
// (17, 17, 32): which of the window's nine was the first largest; its first row and column are left as they are. Rows of
// windows from `from` up to `to`.
static void max_pool_relu(const float* x, float* y, int32_t* place, int from, int to) {
  for (int i = from; i < to; ++i)
    for (int j = 0; j < 16; ++j)
      for (int c = 0; c < CHANNELS; c += LANES) {
        const float* window = x + (2 * i * 33 + 2 * j) * CHANNELS + c;
        Vec best = load(window);
        Ints at = {};
        UNROLL for (int n = 1; n < 9; ++n) {
          Vec value = load(window + (n / 3 * 33 + n % 3) * CHANNELS);
          Ints better = value > best;
          best = better ? value : best;
          at = better ? Ints{} + n : at;
        }
        int k = (i * 16 + j) * CHANNELS + c;
        store(y + k, best < 0.0f ? Vec{} : best);
        *reinterpret_cast<Ints*>(place + ((i + 1) * 17 + j + 1) * CHANNELS + c) = best <= 0.0f ? Ints{} + NOWHERE : at;
      }
}

// Average pooling 3x3, stride 2, size rounded up, of relu(x) (SIDE, SIDE, channels): edges average what they hold.
template <int SIDE, int C>
static void relu_average_pool(const float* x, float* y) {
  for (int i = 0; i < SIDE / 2; ++i)
    for (int j = 0; j < SIDE / 2; ++j) {
      int rows = i + 1 < SIDE / 2 ? 3 : 2, columns = j + 1 < SIDE / 2 ? 3 : 2;
      float share = 1.0f / float(rows * columns);
      for (int c = 0; c < C; c += LANES) {
        Vec sum = {};
        for (int r = 0; r < rows; ++r)
          for (int s = 0; s < columns; ++s) {
            Vec value = load(x + ((2 * i + r) * SIDE + 2 * j + s) * C + c);
            sum += value < 0.0f ? Vec{} : value;
          }
        store(y + (i * SIDE / 2 + j) * C + c, share * sum);
      }
    }
}

// The way back: g (SIDE/2, SIDE/2, channels) of the pooled to out, a plane (SIDE, SIDE, channels) with a border of two.
template <int SIDE, int C>
static void relu_average_pool_back(const float* g, const float* x, float* out) {
  constexpr int HALF = SIDE / 2;
  for (int c = 0; c < C; c += LANES) {
    Vec shares[HALF + 1][HALF + 1] = {};
    for (int i = 0; i < HALF; ++i)
      for (int j = 0; j < HALF; ++j) {
        float share = 1.0f / float((i + 1 < HALF ? 3 : 2) * (j + 1 < HALF ? 3 : 2));
        shares[i + 1][j + 1] = share * load(g + (i * HALF + j) * C + c);
      }
    for (int i = 0; i < HALF; ++i)
      for (int j = 0; j < HALF; ++j) {
        Vec here = shares[i + 1][j + 1], above = shares[i][j + 1], left = shares[i + 1][j], corner = shares[i][j];
        Vec squares[2][2] = {{(here + above) + (left + corner), here + above}, {here + left, here}};
        UNROLL for (int r = 0; r < 2; ++r) UNROLL for (int s = 0; s < 2; ++s) {
          Vec value = load(x + ((2 * i + r) * SIDE + 2 * j + s) * C + c);
          store(out + ((2 * i + r + 2) * (SIDE + 4) + 2 * j + s + 2) * C + c, value <= 0.0f ? Vec{} : squares[r][s]);
        }
      }
  }
}

// The first convolution: 3 channels in, so the lanes of its input's transform are the 8 tiles of a row.
typedef float Tiles __attribute__((vector_size(32)));
constexpr int FIRST_ROW = POINTS * 3 * 8;                  // floats of a row of tiles: v (POINTS, 3, 8)
constexpr int FIRST_WEIGHTS = POINTS * 3 * CHANNELS;  // u (POINTS, 3, CHANNELS)
constexpr int AT_ONCE = 4;                            // tiles whose products stay in the first-level cache

// (image - mean) * scale, as planes (3, 36, 4, 9): a border of two zeros, and columns 0, 4, 8 ... beside each other.
static void first_input(const uint8_t* image, const float* mean, float scale, float* x) {
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < 32; ++i) {
      float row[32];
      int from = (c * 32 + i) * 32;
      for (int j = 0; j < 32; ++j) row[j] = (float(image[from + j]) - mean[from + j]) * scale;
      float* to = x + (c * 36 + i + 2) * 36;
      for (int j = 0; j < 32; ++j) to[(j + 2) % 4 * 9 + (j + 2) / 4] = row[j];
    }
}

static void first_tiles(const float* x, float* v) {
  for (int row = 0; row < 8; ++row)
    for (int c = 0; c < 3; ++c) {
      Tiles down[8][8];
      UNROLL for (int j = 0; j < 8; ++j) {
        Tiles d[8];
        UNROLL for (int i = 0; i < 8; ++i)
            std::memcpy(&d[i], x + (c * 36 + 4 * row + i) * 36 + j % 4 * 9 + j / 4, sizeof d[i]);
        transform_input(d, down[j]);
      }
      UNROLL for (int i = 0; i < 8; ++i) {
        Tiles d[8], y[8];
        UNROLL for (int j = 0; j < 8; ++j) d[j] = down[j][i];
        transform_input(d, y);
        UNROLL for (int j = 0; j < 8; ++j)
            *reinterpret_cast<Tiles*>(v + row * FIRST_ROW + ((8 * i + j) * 3 + c) * 8) = y[j];
      }
    }
}

// Product and output transform of a row of tiles, two at a time, to y (33, 33, 32).
static void first_forward(const float* v, const float* u, const float* bias, float* y, int row) {
  for (int tile = 8 * row; tile < 8 * row + 8; tile += 2)
    for (int k = 0; k < CHANNELS; k += LANES) {
      const float *from = v + tile / 8 * FIRST_ROW + tile % 8, *weights = u + k;
      Vec down[2][8][4];
      for (int j = 0; j < 8; ++j) {
        Vec m[2][8];
        UNROLL for (int i = 0; i < 8; ++i) {
          int p = 8 * i + j;
          m[0][i] = m[1][i] = Vec{};
          UNROLL for (int c = 0; c < 3; ++c) {
            Vec weight = load(weights + (p * 3 + c) * CHANNELS);
            KEEP(weight);
            m[0][i] += from[(p * 3 + c) * 8] * weight;
            m[1][i] += from[(p * 3 + c) * 8 + 1] * weight;
          }
        }
        transform_output(m[0], down[0][j]);
        transform_output(m[1], down[1][j]);
      }
      Vec added = load(bias + k);
      UNROLL for (int n = 0; n < 2; ++n) UNROLL for (int i = 0; i < 4; ++i) {
        Vec across[8], out[4];
        UNROLL for (int j = 0; j < 8; ++j) across[j] = down[n][j][i];
        transform_output(across, out);
        float* to = y + ((tile / 8 * 4 + i) * 33 + (tile % 8 + n) * 4) * CHANNELS + k;
        UNROLL for (int j = 0; j < 4; ++j) store(to + j * CHANNELS, out[j] + added);
      }
    }
}

// The gradient before max pooling of a tile, from windows of g and place (17, 17, 32) whose first is at `at`.
INLINE void max_pool_back(const float* g, const int32_t* place, Vec square[4][4]) {
  auto from = [&](int i, int j, int n) {
    int at = (i * 17 + j) * CHANNELS;
    return *reinterpret_cast<const Ints*>(place + at) == n ? load(g + at) : Vec{};
  };
  UNROLL for (int i = 0; i < 2; ++i) UNROLL for (int j = 0; j < 2; ++j) {
    square[2 * i][2 * j] = (from(i + 1, j + 1, 0) + from(i, j + 1, 6)) + (from(i + 1, j, 2) + from(i, j, 8));
    square[2 * i][2 * j + 1] = from(i + 1, j + 1, 1) + from(i, j + 1, 7);
    square[2 * i + 1][2 * j] = from(i + 1, j + 1, 3) + from(i + 1, j, 5);
    square[2 * i + 1][2 * j + 1] = from(i + 1, j + 1, 4);
  }
}

// Max pooling's way back and the weights' gradient in one: g and place (17, 17, 32), whose first row and column are
// zeros and NOWHERE. u += sum over the tiles; bias_gradient likewise.
static void first_back(const float* g, const int32_t* place, const float* v, float* u, float* bias_gradient) {
  for (int k = 0; k < CHANNELS; k += LANES)
    for (int tile = 0; tile < 64; tile += AT_ONCE) {
      alignas(64) float m[AT_ONCE][POINTS][LANES];
      for (int n = 0; n < AT_ONCE; ++n) {
        int at = (tile / 8 * 2 * 17 + (tile + n) % 8 * 2) * CHANNELS + k;
        Vec square[4][4];
        max_pool_back(g + at, place + at, square);
        transform_gradient_tile(square, m[n][0], LANES);
      }
      const float* values = v + tile / 8 * FIRST_ROW + tile % 8;
      float* sums = u + k;
      for (int p = 0; p < POINTS; ++p, values += 3 * 8, sums += 3 * CHANNELS) {
        Vec s0 = load(sums), s1 = load(sums + CHANNELS), s2 = load(sums + 2 * CHANNELS);
        UNROLL for (int n = 0; n < AT_ONCE; ++n) {
          Vec value = load(m[n][p]);
          KEEP(value);
          s0 += values[n] * value;
          s1 += values[8 + n] * value;
          s2 += values[16 + n] * value;
        }
        store(sums, s0);
        store(sums + CHANNELS, s1);
        store(sums + 2 * CHANNELS, s2);
      }
      Vec total = load(bias_gradient + k);
      for (int n = 0; n < AT_ONCE; ++n) total += load(m[n][9]);  // point (1, 1) is the sum of a tile
      store(bias_gradient + k, total);
    }
}
