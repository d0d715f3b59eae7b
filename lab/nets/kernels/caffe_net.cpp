// Caffe's cifar10_full, the whole net in one pass for a block of four images: loss and gradients of a batch.
//
// The loss is a sum over images, so nothing waits for the batch, and what a block needs stays in the second-level cache.
// Blocks are shared out to CHAINS, each of which sums its blocks' gradients in their order; the chains are then summed in
// theirs. How many threads work the chains changes nothing in the result, not a bit.
// docs/kernel.md derives what is computed here and says why in this order.

#include <omp.h>

#include <cmath>
#include <cstddef>

#include "parameters.h"

namespace {

void forward(const Batch& b, const Weights& w, Scratch& s, int64_t first) {
  for (int n = 0; n < BLOCK; ++n) {
    if (first + n < b.count)
      first_input(b.images + (first + n) * 3072, b.mean, b.scale, s.input);
    else
      std::memset(s.input, 0, sizeof s.input);
    first_tiles(s.input, s.tiles_1[n]);
    for (int row = 0; row < 8; ++row) {  // each pooled while it is in the first-level cache
      first_forward(s.tiles_1[n], w.first, w.bias_1, s.first, row);
      max_pool_relu(s.first, s.pooled_1[n], s.place[n], row == 0 ? 0 : 2 * row - 1, row == 7 ? 16 : 2 * row + 1);
    }
    if (b.alpha != 0)
      normalise<16>(s.pooled_1[n], b.alpha, s.root_1[n], s.padded_2);
    else
      copy_plane<16, 2, 20>(s.pooled_1[n], s.padded_2);
    tiles_of_input<4, 32, stride(TILES_2, 32)>(s.padded_2, s.tiles_2[n], 0);
    multiply<TILES_2, 32, 32>(s.tiles_2[n], w.second, s.products);
    tiles_to_output<4, 32, stride(TILES_2, 32)>(s.products, 0, w.bias_2, s.second[n]);
    relu_average_pool<16, 32>(s.second[n], s.pooled_2[n]);
    if (b.alpha != 0)
      normalise<8>(s.pooled_2[n], b.alpha, s.root_2[n], s.padded_between);
    else
      copy_plane<8, 2, 12>(s.pooled_2[n], s.padded_between);
    tiles_of_input<2, 32, stride(TILES_3, 32)>(s.padded_between, s.tiles_3, 4 * n);
  }
  multiply<TILES_3, 32, 64>(s.tiles_3, w.third, s.products);
  for (int n = 0; n < BLOCK; ++n) {
    tiles_to_output<2, 64, stride(TILES_3, 64)>(s.products, 4 * n, w.bias_3, s.third[n]);
    relu_average_pool<8, 64>(s.third[n], s.features[n]);
  }
  for (int k = 0; k < MOST_CLASSES; k += LANES) {
    Vec sum[BLOCK];
    for (int n = 0; n < BLOCK; ++n) sum[n] = load(w.bias_scores + k);
    for (int f = 0; f < FEATURES; ++f)
      for (int n = 0; n < BLOCK; ++n) sum[n] += s.features[n][f] * load(w.scores[f] + k);
    for (int n = 0; n < BLOCK; ++n) store(s.scores[n] + k, sum[n]);
  }
}

// Cross entropy of one image; its gradient, a share of the batch's mean, in place of the scores.
double loss_and_gradient(float* scores, int64_t classes, int64_t label, float share) {
  float largest = scores[0], sum = 0;
  for (int k = 1; k < classes; ++k) largest = scores[k] > largest ? scores[k] : largest;
  double loss = double(largest) - scores[label];
  for (int k = 0; k < classes; ++k) sum += scores[k] = std::exp(scores[k] - largest);
  for (int k = 0; k < classes; ++k) scores[k] *= share / sum;
  scores[label] -= share;
  return loss + std::log(double(sum));
}

void add_points(const float* m, int tiles, int channels, float* bias) {
  m += 9 * stride(tiles, channels);  // point (1, 1) is the sum of a tile
  for (int t = 0; t < tiles; ++t)
    for (int c = 0; c < channels; c += LANES) store(bias + c, load(bias + c) + load(m + t * channels + c));
}

void backward(const Batch& b, const Weights& w, Scratch& s, Sums& sums, int64_t first, bool anew) {
  for (int n = 0; n < BLOCK; ++n) {
    float* g = s.scores[n];
    if (first + n < b.count)
      sums.loss += loss_and_gradient(g, b.classes, b.labels[first + n], 1.0f / float(b.count));
    else
      std::memset(g, 0, sizeof s.scores[n]);
    for (int f = 0; f < FEATURES; f += LANES) {
      Vec sum = {};
      for (int k = 0; k < b.classes; ++k) {
        sum += g[k] * load(w.scores_back[k] + f);
        store(sums.scores[k] + f, load(sums.scores[k] + f) + g[k] * load(s.features[n] + f));
      }
      store(s.gradient[n] + f, sum);
    }
    for (int k = 0; k < b.classes; ++k) sums.bias_scores[k] += g[k];
    relu_average_pool_back<8, 64>(s.gradient[n], s.third[n], s.padded_3);
    tiles_of_gradient<2, 64, stride(TILES_3, 64)>(s.padded_3, s.products, 4 * n);
    tiles_of_input<2, 64, stride(TILES_3, 64)>(s.padded_3, s.transformed, 4 * n);
  }
  multiply_transposed<TILES_3, 32, 64>(s.tiles_3, s.products, sums.third, anew);
  add_points(s.products, TILES_3, 64, sums.bias_3);
  multiply<TILES_3, 64, 32>(s.transformed, w.third_back, s.products);
  float* narrow = s.features[0];  // 8 x 8 x 32 of gradients; the features are done with
  for (int n = 0; n < BLOCK; ++n) tiles_to_output<2, 32, stride(TILES_3, 32)>(s.products, 4 * n, nullptr, s.gradient[n]);
  for (int n = 0; n < BLOCK; ++n) {
    float* g = s.gradient[n];
    if (b.alpha != 0) {
      normalise_back<8, 0>(s.pooled_2[n], s.root_2[n], b.alpha, g, narrow);
      g = narrow;
    }
    relu_average_pool_back<16, 32>(g, s.second[n], s.padded_2);
    tiles_of_gradient<4, 32, stride(TILES_2, 32)>(s.padded_2, s.products, 0);
    tiles_of_input<4, 32, stride(TILES_2, 32)>(s.padded_2, s.transformed, 0);
    multiply_transposed<TILES_2, 32, 32>(s.tiles_2[n], s.products, sums.second, anew && n == 0);
    add_points(s.products, TILES_2, 32, sums.bias_2);
    multiply<TILES_2, 32, 32>(s.transformed, w.second_back, s.products);
    g = s.gradient[n];
    tiles_to_output<4, 32, stride(TILES_2, 32)>(s.products, 0, nullptr, g);
    if (b.alpha != 0)
      normalise_back<16, 1>(s.pooled_1[n], s.root_1[n], b.alpha, g, s.before_1);
    else
      copy_plane<16, 1, 17>(g, s.before_1);
    first_back(s.before_1, s.place[n], s.tiles_1[n], sums.first, sums.bias_1);
  }
}

// Borders that no pass writes: what lies outside an image.
void clear_borders(Scratch& s) {
  std::memset(s.input, 0, sizeof s.input);
  std::memset(s.padded_2, 0, sizeof s.padded_2);
  std::memset(s.padded_3, 0, sizeof s.padded_3);
  std::memset(s.padded_between, 0, sizeof s.padded_between);
  std::memset(s.before_1, 0, sizeof s.before_1);
  for (auto& place : s.place) for (int32_t& value : place) value = NOWHERE;
  for (float& value : s.first) value = MINUS_INFINITY;
}

void work_chain(const Batch& b, Workspace& space, Scratch& s, int chain) {
  Sums& sums = space.sums[chain];
  std::memset(&sums, 0, offsetof(Sums, second));
  sums.loss = 0;
  int64_t blocks = (b.count + BLOCK - 1) / BLOCK, from = blocks * chain / CHAINS, to = blocks * (chain + 1) / CHAINS;
  if (from == to) std::memset(&sums, 0, sizeof sums);  // fewer blocks than chains
  for (int64_t block = from; block < to; ++block) {
    forward(b, space.weights, s, block * BLOCK);
    backward(b, space.weights, s, sums, block * BLOCK, block == from);
  }
}

}  // namespace

extern "C" {

int64_t workspace_size(int64_t threads) { return sizeof(Workspace) + threads * sizeof(Scratch); }

// Makes new memory fit to work in.
void prepare_workspace(void* memory, int64_t threads) {
  Workspace& space = *static_cast<Workspace*>(memory);
  std::memset(&space.weights, 0, sizeof space.weights);
  for (int64_t n = 0; n < threads; ++n) clear_borders(space.scratch[n]);
}

// Mean loss of a batch; the gradients of all parameters go where these say.
double loss_and_gradients(const Batch* batch, void* memory) {
  const Batch& b = *batch;
  Workspace& space = *static_cast<Workspace*>(memory);
#pragma omp parallel num_threads(int(b.threads))
  {
    Scratch& s = space.scratch[omp_get_thread_num()];
#pragma omp for schedule(static)
    for (int piece = 0; piece < PREPARED; ++piece) prepare_piece(b, space.weights, piece);
#pragma omp for schedule(dynamic)
    for (int chain = 0; chain < CHAINS; ++chain) work_chain(b, space, s, chain);
#pragma omp for schedule(static)
    for (int piece = 0; piece < FINISHED; ++piece) finish_piece(b, space, piece);
  }
  double loss = 0;
  for (const Sums& sums : space.sums) loss += sums.loss;
  return loss / double(b.count);
}

// Scores of all images.
void scores(const Batch* batch, void* memory) {
  const Batch& b = *batch;
  Workspace& space = *static_cast<Workspace*>(memory);
#pragma omp parallel num_threads(int(b.threads))
  {
    Scratch& s = space.scratch[omp_get_thread_num()];
#pragma omp for schedule(static)
    for (int piece = 0; piece < PREPARED; ++piece) prepare_piece(b, space.weights, piece);
#pragma omp for schedule(static)
    for (int64_t first = 0; first < b.count; first += BLOCK) {
      forward(b, space.weights, s, first);
      for (int64_t n = first; n < first + BLOCK && n < b.count; ++n)
        std::memcpy(b.scores + n * b.classes, s.scores[n - first], size_t(4 * b.classes));
    }
  }
}
}
