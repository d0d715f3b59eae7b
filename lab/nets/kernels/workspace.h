// What a call is given (Batch, which net.py fills in) and what it works in (Workspace).
// docs/kernel.md derives what is computed here and says why in this order.
#pragma once

#include "layers.h"

constexpr int BLOCK = 4, CHAINS = 4, FEATURES = 1024, MOST_CLASSES = 16;
constexpr int TILES_2 = 16, TILES_3 = 4 * BLOCK;  // of an image at the second convolution, of a block at the third
constexpr int HALF_PAGE = 512;  // floats
constexpr float MINUS_INFINITY = -__builtin_inff();

struct alignas(64) Weights {  // transformed, for one batch
  float first[FIRST_WEIGHTS], second[POINTS * 32 * 32], third[POINTS * 32 * 64];
  float second_back[POINTS * 32 * 32], third_back[POINTS * 64 * 32];
  float bias_1[32], bias_2[32], bias_3[64];
  float scores[FEATURES][MOST_CLASSES], scores_back[MOST_CLASSES][FEATURES], bias_scores[MOST_CLASSES];
};

struct alignas(64) Sums {  // of gradients, of one chain
  float first[FIRST_WEIGHTS], bias_1[32], bias_2[32], bias_3[64];
  float scores[MOST_CLASSES][FEATURES], bias_scores[MOST_CLASSES];
  float second[POINTS * 32 * 32], third[POINTS * 32 * 64];  // the first block of a chain writes these anew
  double loss;
};

// Of one thread. tiles_2, tiles_3 and transformed lie half a page off products, so that no load waits for a store to an
// address with the same last 12 bits.
struct alignas(64) Scratch {
  float input[3 * 36 * 36], first[33 * 33 * 32], tiles_1[BLOCK][8 * FIRST_ROW];
  float pooled_1[BLOCK][16 * 16 * 32], root_1[BLOCK][16 * 16 * 32];
  int32_t place[BLOCK][17 * 17 * 32];
  float padded_2[20 * 20 * 32], second[BLOCK][16 * 16 * 32];
  float pooled_2[BLOCK][8 * 8 * 32], root_2[BLOCK][8 * 8 * 32];
  float padded_between[12 * 12 * 32], padded_3[12 * 12 * 64], third[BLOCK][8 * 8 * 64];
  float features[BLOCK][FEATURES], scores[BLOCK][MOST_CLASSES], gradient[BLOCK][16 * 16 * 32], before_1[17 * 17 * 32];
  float tiles_3[POINTS * stride(TILES_3, 32)], tiles_2[BLOCK][POINTS * stride(TILES_2, 32)], apart[HALF_PAGE];
  float products[POINTS * stride(TILES_3, 64)], apart_too[HALF_PAGE], transformed[POINTS * stride(TILES_3, 64)];
};

struct Workspace {
  Weights weights;
  Sums sums[CHAINS];
  Scratch scratch[];
};

// A parameter as torch has it: strides in floats, of the gradient too.
struct Parameter {
  const float* values;
  float* gradient;
  int64_t strides[4];
};

struct Batch {
  const uint8_t* images;   // (count, 3, 32, 32)
  const int64_t* labels;   // (count)
  const float* mean;       // (3, 32, 32)
  float* scores;           // (count, classes), or null where gradients are wanted
  Parameter parameters[8];  // conv1's weight and bias, conv2's, conv3's, ip1's
  int64_t count, classes, threads;
  float scale, alpha;      // alpha 0: no normalisation
};
