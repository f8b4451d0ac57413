/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The solar system's five heaviest bodies (the Benchmarks Game) for n steps: f64 arithmetic, division and square
 * root on structs in memory. The builds forbid fused multiply-add, so the result is the same everywhere. */
#include "kernel.h"

struct body {
  double x, y, z, vx, vy, vz, mass;
};

enum { BODIES = 5 };
#define SOLAR_MASS (4 * 3.141592653589793 * 3.141592653589793)
#define DAYS 365.24

static const struct body start[BODIES] = {
    {0, 0, 0, 0, 0, 0, SOLAR_MASS},
    {4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01, 1.66007664274403694e-03 * DAYS,
     7.69901118419740425e-03 * DAYS, -6.90460016972063023e-05 * DAYS, 9.54791938424326609e-04 * SOLAR_MASS},
    {8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01, -2.76742510726411899e-03 * DAYS,
     4.99852801234917238e-03 * DAYS, 2.30417297573763929e-05 * DAYS, 2.85885980666130812e-04 * SOLAR_MASS},
    {1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01, 2.96460137564761618e-03 * DAYS,
     2.37847173959480950e-03 * DAYS, -2.96589568540237556e-05 * DAYS, 4.36624404335156298e-05 * SOLAR_MASS},
    {1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01, 2.68067772490389322e-03 * DAYS,
     1.62824170038242295e-03 * DAYS, -9.51592254519715870e-05 * DAYS, 5.15138902046611451e-05 * SOLAR_MASS},
};

static struct body bodies[BODIES];

static void pull(struct body *a, struct body *b, double dt) {
  double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
  double square = dx * dx + dy * dy + dz * dz;
  double strength = dt / (square * __builtin_sqrt(square));
  a->vx -= dx * b->mass * strength;
  a->vy -= dy * b->mass * strength;
  a->vz -= dz * b->mass * strength;
  b->vx += dx * a->mass * strength;
  b->vy += dy * a->mass * strength;
  b->vz += dz * a->mass * strength;
}

static void advance(double dt) {
  for (int i = 0; i < BODIES; i++)
    for (int j = i + 1; j < BODIES; j++) pull(&bodies[i], &bodies[j], dt);
  for (struct body *b = bodies; b < bodies + BODIES; b++) {
    b->x += dt * b->vx;
    b->y += dt * b->vy;
    b->z += dt * b->vz;
  }
}

uint32_t run(uint32_t n) {
  for (int i = 0; i < BODIES; i++) bodies[i] = start[i];
  for (uint32_t i = 0; i < n; i++) advance(0.01);
  uint32_t hash = 2166136261u;
  for (struct body *b = bodies; b < bodies + BODIES; b++) {
    union {
      double real;
      uint64_t bits;
    } x = {b->x}, v = {b->vz};
    hash = kernel_mix(kernel_mix(hash, (uint32_t)(x.bits >> 16)), (uint32_t)(v.bits >> 16));
  }
  return hash;
}
