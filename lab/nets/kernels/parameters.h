// Between torch's parameters and the transformed domain: weights on the way in, gradients on the way out.
// docs/kernel.md derives what is computed here and says why in this order.
#pragma once

#include "workspace.h"

// A convolution's weights, torch's (OUT, IN, 5, 5), as (25, OUT) for one channel in, or (25 turned by half, IN) for one
// channel out.
template <int N>
static void gather(const Parameter& p, int channel, bool back, float* to) {
  const float* from = p.values + channel * p.strides[back ? 0 : 1];
  int64_t step = p.strides[back ? 1 : 0];
  for (int k = 0; k < 25; ++k) {
    const float* at = from + k / 5 * p.strides[2] + k % 5 * p.strides[3];
    for (int n = 0; n < N; ++n) to[(back ? 24 - k : k) * N + n] = at[n * step];
  }
}

template <int IN, int OUT>
static void prepare_forward(const Parameter& p, int channel, float* u) {
  alignas(64) float filters[25 * OUT];
  gather<OUT>(p, channel, false, filters);
  transform_weights(filters, OUT, u + channel * OUT, IN * OUT);
}

template <int IN, int OUT>
static void prepare(const Parameter& p, int channel, float* forward, float* back) {
  if (channel < IN) return prepare_forward<IN, OUT>(p, channel, forward);
  alignas(64) float filters[25 * IN];
  gather<IN>(p, channel - IN, true, filters);
  transform_weights(filters, IN, back + (channel - IN) * IN, OUT * IN);
}

static void copy_bias(const Parameter& p, int count, float* to) {
  for (int k = 0; k < count; ++k) to[k] = p.values[k * p.strides[0]];
}

// torch's feature (channel, row, column) is ours (row, column, channel).
static int feature(int ours) { return ours % 64 * 16 + ours / 64; }

static void prepare_scores(const Batch& b, Weights& w) {
  const Parameter& p = b.parameters[6];
  for (int k = 0; k < b.classes; ++k)
    for (int f = 0; f < FEATURES; ++f)
      w.scores[f][k] = w.scores_back[k][f] = p.values[k * p.strides[0] + feature(f) * p.strides[1]];
  copy_bias(b.parameters[1], 32, w.bias_1);
  copy_bias(b.parameters[3], 32, w.bias_2);
  copy_bias(b.parameters[5], 64, w.bias_3);
  copy_bias(b.parameters[7], int(b.classes), w.bias_scores);
}

constexpr int PREPARED = 3 + 64 + 96 + 1;  // pieces of work

static void prepare_piece(const Batch& b, Weights& w, int piece) {
  if (piece < 3) return prepare_forward<3, 32>(b.parameters[0], piece, w.first);
  if (piece < 67) return prepare<32, 32>(b.parameters[2], piece - 3, w.second, w.second_back);
  if (piece < 163) return prepare<32, 64>(b.parameters[4], piece - 67, w.third, w.third_back);
  prepare_scores(b, w);
}

template <int OUT>
static void finish(const Parameter& p, const float* u, int stride, int c) {
  constexpr int64_t CHAIN = sizeof(Sums) / sizeof(float);
  alignas(64) float filters[25 * OUT];
  transform_weights_back(u, CHAINS, CHAIN, stride, OUT, filters);
  for (int k = 0; k < 25; ++k) {
    float* to = p.gradient + c * p.strides[1] + k / 5 * p.strides[2] + k % 5 * p.strides[3];
    for (int n = 0; n < OUT; ++n) to[n * p.strides[0]] = filters[k * OUT + n];
  }
}

static float sum_chains(const float* first) {
  float sum = *first;
  for (int n = 1; n < CHAINS; ++n) sum += first[n * (sizeof(Sums) / sizeof(float))];
  return sum;
}

static void finish_rest(const Batch& b, const Workspace& space) {
  const Sums& sums = space.sums[0];
  const float* biases[] = {sums.bias_1, sums.bias_2, sums.bias_3, sums.bias_scores};
  const int64_t counts[] = {32, 32, 64, b.classes};
  for (int layer = 0; layer < 4; ++layer) {
    const Parameter& p = b.parameters[2 * layer + 1];
    for (int k = 0; k < counts[layer]; ++k) p.gradient[k * p.strides[0]] = sum_chains(biases[layer] + k);
  }
  const Parameter& p = b.parameters[6];
  for (int k = 0; k < b.classes; ++k)
    for (int f = 0; f < FEATURES; ++f)
      p.gradient[k * p.strides[0] + feature(f) * p.strides[1]] = sum_chains(sums.scores[k] + f);
}

constexpr int FINISHED = 3 + 32 + 32 + 1;

static void finish_piece(const Batch& b, const Workspace& space, int piece) {
  const Sums& sums = space.sums[0];
  if (piece < 3) return finish<32>(b.parameters[0], sums.first + piece * 32, 3 * 32, piece);
  if (piece < 35) return finish<32>(b.parameters[2], sums.second + (piece - 3) * 32, 32 * 32, piece - 3);
  if (piece < 67) return finish<64>(b.parameters[4], sums.third + (piece - 35) * 64, 32 * 64, piece - 35);
  finish_rest(b, space);
}
