/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Runs the stencils and compares what they do with the instructions' semantic functions.
 *
 * A stencil is copied to executable memory with its holes filled. Behind it, and where its branches and traps go, stands a
 * jump through inst->entries to a C function that takes the machine's state as a stencil's continuation does. So a run
 * shows which way the stencil went, and every register afterwards: the result must be what the oracle says, and nothing
 * else may have changed, neither registers nor the frame nor memory.
 *
 * Operands are numbers at the edges of their types and random ones, the same in each run of the test. */
#include "module/ops/sem_simd.h"
#include "test.h"
#include "tiers/baseline/arch_state.h"
#include "tiers/baseline/baseline.h"
#include "tiers/baseline/stencil.h"

#include <math.h>

enum { R = STENCIL_INTS, F = STENCIL_FLOATS, CODE_BYTES = 1 << 20, FRAME_SLOTS = 32, MEMORY_BYTES = 4096, RUNS = 6 };
/* Where operands and result lie in the frame. */
enum { SLOT_D = 4, SLOT_A = 8, SLOT_B = 12, SLOT_C = 16, SLOT_MORE = 20 };
enum { NEXT, TARGET, TRAP, WAYS = TRAP + ENGINE_TRAP_EXCEPTION + 1 }; /* ways out; TRAP + k: engine trap k */

union value {
  uint32_t i;
  uint64_t I;
  float f;
  double F;
  sem_v128 v;
  uint64_t halves[2];
};

/* ---- What the instructions do ------------------------------------------------------------------------------------------ */

typedef int oracle_function(const union value *in, uint32_t lane, uint8_t *at, union value *out);
#define ORACLE(name, lanes, ...)                                                                  \
  static int oracle_##name(const union value *in, uint32_t lane, uint8_t *at, union value *out) { \
    (void)in, (void)lane, (void)at, (void)out;                                                    \
    __VA_ARGS__;                                                                                  \
    return SEM_OK;                                                                                \
  }
#include "stencil_oracles.gen.h"
ORACLE(same, 0, *out = in[0])
ORACLE(select, 0, *out = in[2].i ? in[0] : in[1])
ORACLE(is_set_i, 0, out->i = in[0].i != 0)
ORACLE(is_set_I, 0, out->i = in[0].I != 0)
#undef ORACLE
static const struct oracle {
  uint16_t op;
  uint8_t lanes;
  oracle_function *run;
} oracles[] = {
#define ORACLE(name, lanes, ...) {MODULE_OP_##name, lanes, oracle_##name},
#include "stencil_oracles.gen.h"
#undef ORACLE
};

/* ---- The machine ------------------------------------------------------------------------------------------------------- */

struct state {
  uint64_t ints[R], floats[F];
  uint64_t frame[FRAME_SLOTS];
  uint8_t memory[MEMORY_BYTES];
};
static struct state now;
static struct engine_instance *instance;
static int went;
static bool is_pinned; /* fp, mem and inst were as before */

#if defined(__riscv)
#define INT_VALUES(v) v[0], v[1], v[2], v[3], v[4]
#elif defined(__aarch64__)
#define INT_VALUES(v) v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
#else
#define INT_VALUES(v) v[0], v[1], v[2], v[3], 0, v[4], v[5], v[6], v[7]
#endif
#define FLOATS double x0, double x1, double x2, double x3, double x4, double x5, double x6, double x7
typedef BASELINE_GUEST_CC void state_function(STATE, INTS, FLOATS);

static void arrive(int way, STATE, const uint64_t *ints, const double *floats) {
  went = way;
  is_pinned = fp == now.frame && mem == now.memory && inst == instance;
  memcpy(now.ints, ints, sizeof now.ints);
  memcpy(now.floats, floats, sizeof now.floats);
}
#define WAY(way)                                                           \
  static BASELINE_GUEST_CC void arrive_at_##way(STATE, INTS, FLOATS) {     \
    const double floats[F] = {x0, x1, x2, x3, x4, x5, x6, x7};             \
    arrive(way, fp, mem, inst, (const uint64_t[]){INT_REGISTERS}, floats); \
  }
WAY(NEXT)
WAY(TARGET)
#define X(name, text) enum { TRAP_##name = TRAP + ENGINE_TRAP_##name };
ENGINE_TRAPS(X)
#undef X
#define TRAP_WAYS(X)    \
  X(TRAP_MEMORY_BOUNDS) \
  X(TRAP_INTEGER_OVERFLOW) X(TRAP_INTEGER_DIVIDE_BY_ZERO) X(TRAP_INVALID_CONVERSION) X(TRAP_UNALIGNED_ATOMIC)
TRAP_WAYS(WAY)

static struct engine_memory memory0 = {.base = now.memory, .len_bytes = MEMORY_BYTES};
static struct engine_memory *memories[] = {&memory0};
static const void *entries[WAYS];
static struct base_code_chunk chunk;
static uint32_t code_end, ways[WAYS]; /* positions in the chunk: of free room, and of the jumps to the ways */

static void machine_new(void) {
  entries[NEXT] = (const void *)(uintptr_t)arrive_at_NEXT;
  entries[TARGET] = (const void *)(uintptr_t)arrive_at_TARGET;
#define X(trap) entries[trap] = (const void *)(uintptr_t)arrive_at_##trap;
  TRAP_WAYS(X)
#undef X
  base_code_set_single(true); /* emulators do not see what is written to the same place at another address */
  instance = calloc(1, sizeof *instance + 16);
  if (!instance) abort();
  instance->memory0 = &memory0;
  instance->memories = memories;
  instance->entries = entries;
}

static void run_code(uint32_t at) {
  double x[F];
  memcpy(x, now.floats, sizeof x);
  const uint64_t *r = now.ints;
  state_function *code = (state_function *)(uintptr_t)(chunk.run + at);
  code(now.frame, now.memory, instance, INT_VALUES(r), x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]);
}

static uint64_t random_bits(void) {
  static uint64_t seed = 88172645463325252u;
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

/* ---- Cases ----------------------------------------------------------------------------------------------------------------- */

enum place { NOWHERE, INT, FLOAT, SLOT, CONSTANT };
struct operand {
  uint8_t place, index; /* index: of the register or slot */
  char type;            /* i I f F v */
};
enum {
  IS_BRANCH = 1,
  IS_BRANCH_NOT = 2,
  IS_ACCESS = 4,
  IS_CHECKED = 8,
  IS_ATOMIC = 16,
  IS_SIGNED = 32,
  IS_CHECK = 64,
  IS_LAST = 128
};
struct test_case {
  uint32_t stencil, at;
  const struct oracle *oracle;
  uint32_t flags; /* IS_SIGNED: constants are of 32 bits; IS_LAST: imm is where the last byte is */
  struct operand in[4], out;
  uint64_t imm, imm2;
  union value konst; /* a constant operand */
  uint32_t lane;
};
static struct test_case cases[1 << 14];
static size_t case_count;

static struct operand in_int(unsigned n, char type) { return (struct operand){INT, (uint8_t)n, type}; }
static struct operand in_float(unsigned n, char type) { return (struct operand){FLOAT, (uint8_t)n, type}; }
static struct operand in_slot(unsigned n, char type) { return (struct operand){SLOT, (uint8_t)n, type}; }
static struct operand constant(char type) { return (struct operand){CONSTANT, 0, type}; }

static uint64_t random_int(void) {
  static const uint64_t edges[] = {0,
                                   1,
                                   2,
                                   7,
                                   31,
                                   32,
                                   63,
                                   0x7FFFFFFF,
                                   0x80000000,
                                   0xFFFFFFFF,
                                   0x100000000,
                                   INT64_MAX,
                                   (uint64_t)INT64_MIN,
                                   UINT64_MAX,
                                   UINT64_MAX - 1,
                                   0x8000,
                                   0x80};
  uint64_t bits = random_bits();
  return bits & 1 ? edges[(bits >> 8) % BASE_ARRAY_LEN(edges)] : random_bits() >> (bits >> 8 & 63);
}

static double random_float(void) {
  static const double edges[] = {0.0,       -0.0,   0.5,          -0.5,         1.5,           2.5,
                                 -1.0,      -0.99,  2147483647.5, 4294967295.5, -2147483648.5, -2147483649.0,
                                 0x1p63,    0x1p31, -0x1p63,      0x1p64,       0x1p23,        0x1p52,
                                 8388607.5, 1e300,  1e-310,       1e-45,        INFINITY,      -INFINITY};
  uint64_t bits = random_bits();
  return bits & 1 ? edges[(bits >> 8) % BASE_ARRAY_LEN(edges)]
                  : (double)(int64_t)random_bits() / (double)(1ull << (bits >> 8 & 62));
}

static union value random_value(char type) {
  union value value = {.halves = {random_bits(), random_bits()}};
  bool is_any = (random_bits() & 7) == 0; /* any bits, NaNs with payloads too */
  switch (type) {
  case 'i': value.i = (uint32_t)random_int(); break;
  case 'I': value.I = random_int(); break;
  case 'f':
    if (!is_any) value.f = (float)random_float();
    break;
  case 'F':
    if (!is_any) value.F = random_float();
    break;
  default:
    for (int n = 0; n < 4 && !is_any; n++) {
      union value part = random_value("ifIF"[random_bits() & 3]);
      memcpy((char *)&value + 4 * n, &part, 4 * (n < 3) + 4 * (n < 3 && part.halves[0] & 1));
    }
  }
  return value;
}

/* A number as it stands in a register or slot. */
static uint64_t bits_of(char type, union value value) {
  switch (type) {
  case 'i': return value.i;
  case 'f': return value.i | 0xFFFFFFFF00000000u; /* boxed, as RISC-V wants it */
  default: return value.I;
  }
}

static void put(struct state *state, struct operand to, union value value) {
  switch (to.place) {
  case INT: state->ints[to.index] = bits_of(to.type, value); break;
  case FLOAT: state->floats[to.index] = bits_of(to.type, value); break;
  case SLOT:
    state->frame[to.index] = bits_of(to.type, value);
    if (to.type == 'v') state->frame[to.index + 1] = value.halves[1];
    break;
  default: break;
  }
}

static union value get(const struct state *state, struct operand from, union value konst) {
  switch (from.place) {
  case INT: return (union value){.I = state->ints[from.index]};
  case FLOAT: return (union value){.I = state->floats[from.index]};
  case SLOT: return (union value){.halves = {state->frame[from.index], state->frame[from.index + 1]}};
  case CONSTANT: return konst;
  default: return (union value){.I = 0};
  }
}

/* ---- Code ------------------------------------------------------------------------------------------------------------------ */

static void start_code(void) {
  if (!base_code_take(CODE_BYTES, &chunk)) abort();
  memcpy(chunk.write, stencil_pool, STENCIL_POOL_BYTES);
  uint8_t *to = chunk.write + (STENCIL_POOL_BYTES + 63) / 64 * 64;
  for (uint32_t way = 0; way < WAYS; way++) {
    ways[way] = (uint32_t)(to - chunk.write);
    to = baseline_arch_jump_entry(to, way);
  }
  code_end = (uint32_t)(to - chunk.write);
  case_count = 0;
}

static uint64_t hole_value(const struct test_case *c, uint8_t value) {
  switch (value) {
  case STENCIL_D: return SLOT_D * 8;
  case STENCIL_A: return SLOT_A * 8;
  case STENCIL_B: return SLOT_B * 8;
  case STENCIL_C: return SLOT_C * 8;
  case STENCIL_IMM: return c->imm;
  case STENCIL_IMM2: return c->imm2;
  case STENCIL_TARGET: return ways[TARGET];
  default: return ways[TRAP + value - STENCIL_TRAP];
  }
}

static void add(struct test_case c) {
  const struct stencil *stencil = &stencils[c.stencil];
  if (code_end + stencil->bytes + BASELINE_ARCH_MAX_BYTES > CODE_BYTES || case_count == BASE_ARRAY_LEN(cases)) abort();
  c.at = code_end = (code_end + 15) & ~(uint32_t)15;
  memcpy(chunk.write + c.at, stencil_code + stencil->code, stencil->bytes);
  for (uint32_t n = 0; n < stencil->hole_count; n++) {
    const struct stencil_hole *hole = &stencil_holes[stencil->holes + n];
    uint32_t at = c.at + hole->at;
    bool is_pool = hole->value == STENCIL_POOL;
    baseline_arch_patch(chunk.write, at, hole->kind,
                        is_pool ? base_load_u32(chunk.write + at) : hole_value(&c, hole->value));
  }
  code_end = (uint32_t)(baseline_arch_jump_entry(chunk.write + c.at + stencil->bytes, NEXT) - chunk.write);
  cases[case_count++] = c;
}

/* With several constants, if it has one. */
static void add_with_constants(struct test_case c) {
  struct operand *konst = NULL;
  for (int n = 0; n < 4; n++) konst = c.in[n].place == CONSTANT ? &c.in[n] : konst;
  bool is_second = konst && c.flags & IS_ACCESS;
  for (int n = 0; n < (konst ? 4 : 1); n++) {
    if (konst) {
      c.konst = random_value(konst->type);
      if (konst->type == 'I' && c.flags & IS_SIGNED) c.konst.I = (uint64_t)(int64_t)(int32_t)c.konst.i;
      uint64_t bits = konst->type == 'f' ? c.konst.i : bits_of(konst->type, c.konst);
      if (is_second)
        c.imm2 = bits;
      else
        c.imm = bits;
    }
    add(c);
  }
}

/* ---- Running ----------------------------------------------------------------------------------------------------------------- */

/* Arithmetic may give a NaN any payload; what only moves or changes bits may not. */
static bool is_exact(const struct test_case *c) {
  static const char *const words[] = {"abs",   "neg",   "copysign", "reinterpret", "load",
                                      "store", "splat", "lane",     "pmin",        "pmax"};
  if (c->oracle->op == MODULE_OP_COUNT) return true;
  for (size_t n = 0; n < BASE_ARRAY_LEN(words); n++)
    if (strstr(module_ops[c->oracle->op].mnemonic, words[n])) return true;
  return false;
}
static uint32_t canonical_f(uint32_t bits) { return (bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC00000 : bits; }
static uint64_t canonical_F(uint64_t bits) {
  return (bits & INT64_MAX) > 0x7FF0000000000000 ? 0x7FF8000000000000 : bits;
}
static union value canonical(const struct test_case *c, union value value) {
  const char *mnemonic = c->oracle->op == MODULE_OP_COUNT ? "" : module_ops[c->oracle->op].mnemonic;
  switch (c->out.type) {
  case 'f': return (union value){.I = is_exact(c) ? value.i : canonical_f(value.i)};
  case 'F': return (union value){.I = is_exact(c) ? value.I : canonical_F(value.I)};
  case 'v':
    for (int n = 0; n < 2 && !is_exact(c); n++) {
      uint64_t half = value.halves[n];
      if (strncmp(mnemonic, "f64x2", 5) == 0) value.halves[n] = canonical_F(half);
      if (strncmp(mnemonic, "f32x4", 5) == 0)
        value.halves[n] = canonical_f((uint32_t)half) | (uint64_t)canonical_f((uint32_t)(half >> 32)) << 32;
    }
    return value;
  case 'i': return (union value){.I = value.I};
  default: return (union value){.I = value.I};
  }
}

/* Random state with the operands in their places. */
static void prepare(const struct test_case *c, struct state *state) {
  for (int n = 0; n < R; n++) state->ints[n] = random_bits();
  for (int n = 0; n < F; n++) state->floats[n] = random_bits();
  for (int n = 0; n < FRAME_SLOTS; n++) state->frame[n] = random_bits();
  for (int n = 0; n < MEMORY_BYTES; n += 8) {
    union value value = random_value("iIfF"[random_bits() & 3]);
    memcpy(state->memory + n, &value, 8);
  }
  for (int n = 3; n >= 0; n--) { /* the address last */
    union value value = random_value(c->in[n].type ? c->in[n].type : 'I');
    if (n == 0 && c->flags & IS_ACCESS) {
      value.I = random_bits() % (MEMORY_BYTES - 1024);
      if (c->flags & IS_ATOMIC && random_bits() & 7) value.I &= ~(uint64_t)7;
      if (c->flags & IS_CHECKED && (random_bits() & 7) == 0)
        value.I = random_bits() & 1 ? UINT64_MAX - 7 : MEMORY_BYTES;
    }
    if (c->flags & IS_CHECK && random_bits() & 3) value.I = random_bits() % (2 * MEMORY_BYTES);
    put(state, c->in[n], value);
  }
}

static int trap_of(int trap) {
  switch (trap) {
  case SEM_INTEGER_OVERFLOW: return TRAP_INTEGER_OVERFLOW;
  case SEM_DIVIDE_BY_ZERO: return TRAP_INTEGER_DIVIDE_BY_ZERO;
  case SEM_INVALID_CONVERSION: return TRAP_INVALID_CONVERSION;
  default: return NEXT;
  }
}

/* What must come: the way out; `state` becomes the state then, `out` the result. */
static int expect(const struct test_case *c, struct state *state, union value *out) {
  union value in[4];
  for (int n = 0; n < 4; n++) in[n] = get(state, c->in[n], c->konst);
  uint64_t at = 0;
  if (c->flags & IS_CHECK) {
    uint64_t address = c->in[0].place == NOWHERE ? 0
                       : c->in[0].type == 'i'    ? in[0].i
                                                 : in[0].I,
             end = address + c->imm + !!(c->flags & IS_LAST);
    return end < address || end > MEMORY_BYTES ? TRAP_MEMORY_BOUNDS : NEXT;
  }
  if (c->flags & IS_ACCESS) {
    uint64_t address = c->in[0].place == NOWHERE ? 0 : c->flags & IS_CHECKED ? in[0].I : in[0].i;
    uint64_t bytes = (uint64_t)1 << module_ops[c->oracle->op].access_log2;
    at = address + c->imm;
    if (c->flags & IS_ATOMIC && at & (bytes - 1)) return TRAP_UNALIGNED_ATOMIC;
    if (at < address || at > MEMORY_BYTES - bytes) return TRAP_MEMORY_BOUNDS;
  }
  int trap = c->oracle->run(in, c->lane, state->memory + at, out);
  if (trap != SEM_OK) return trap_of(trap);
  if (c->flags & (IS_BRANCH | IS_BRANCH_NOT)) return (out->i != 0) == !!(c->flags & IS_BRANCH) ? TARGET : NEXT;
  put(state, c->out, *out);
  return NEXT;
}

static void report(const struct test_case *c, const char *what) {
  if (++test_failures > 40) return;
  fprintf(stderr, "%s: stencil %" PRIu32 " (case %d %d, %d %d -> %d %d): %s\n",
          c->oracle->op == MODULE_OP_COUNT ? "-" : module_ops[c->oracle->op].mnemonic, c->stencil, c->in[0].place,
          c->in[0].index, c->in[1].place, c->in[1].index, c->out.place, c->out.index, what);
}

static void run_case(const struct test_case *c) {
  static struct state wanted;
  union value out = {.halves = {0, 0}};
  prepare(c, &now);
  wanted = now;
  int way = expect(c, &wanted, &out);
  went = -1;
  run_code(c->at);
  test_checks++;
  if (went != way || !is_pinned) {
    report(c, went != way ? "another way out" : "fp, mem or inst changed");
    return;
  }
  if (way >= TRAP) return;
  if (c->out.place != NOWHERE) {
    union value got = canonical(c, get(&now, c->out, c->konst)), best = canonical(c, get(&wanted, c->out, c->konst));
    if (memcmp(&got, &best, sizeof got) != 0) report(c, "another result");
    put(&now, c->out, out); /* the rest is equal bit by bit */
    put(&wanted, c->out, out);
  }
  if (memcmp(&now, &wanted, sizeof now) != 0) report(c, "something else changed");
}

static void run_cases(void) {
  if (!base_code_publish(&chunk, 0, code_end)) abort();
  for (size_t n = 0; n < case_count; n++)
    for (int run = 0; run < RUNS; run++) run_case(&cases[n]);
  base_code_give(&chunk);
}

/* ---- The instruction table ---------------------------------------------------------------------------------------------------- */

static char letter_of(module_type type) {
  return type == MODULE_I32   ? 'i'
         : type == MODULE_I64 ? 'I'
         : type == MODULE_F32 ? 'f'
         : type == MODULE_F64 ? 'F'
                              : 'v';
}

static void add_int_binary(struct test_case c, const struct stencil_row *row, char type, char result) {
  c.flags = IS_SIGNED;
  for (unsigned d = 0; d < R; d++)
    for (unsigned b = 0; b < R + 2; b++) {
      c.stencil = row->first + d * (R + 2) + b;
      c.in[0] = in_int(d, type);
      c.in[1] = b < R ? in_int(b, type) : b == R ? in_slot(SLOT_B, type) : constant(type);
      c.out = in_int(d, result);
      add_with_constants(c);
      if (!row->branch) continue;
      c.out = (struct operand){0};
      for (int not = 0; not < 2; not++) {
        c.flags = IS_SIGNED | (not ? IS_BRANCH_NOT : IS_BRANCH);
        c.stencil = (not ? row->branch_not : row->branch) + d * (R + 2) + b;
        add_with_constants(c);
      }
      c.flags = IS_SIGNED;
    }
}

static void add_three(struct test_case c, const struct stencil_row *row, char type) {
  c.flags = IS_SIGNED;
  for (unsigned n = 0; n < R * R * (R + 1); n++) {
    unsigned b = n % (R + 1), a = n / (R + 1) % R, d = n / (R + 1) / R;
    c.stencil = row->three + n;
    c.in[0] = in_int(a, type);
    c.in[1] = b < R ? in_int(b, type) : constant(type);
    c.out = in_int(d, type);
    add_with_constants(c);
  }
}

static void add_float_binary(struct test_case c, const struct stencil_row *row, char type) {
  for (unsigned d = 0; d < F; d++)
    for (unsigned b = 0; b < F + 1; b++) {
      c.stencil = row->first + d * (F + 1) + b;
      c.flags = 0;
      c.in[0] = in_float(d, type);
      c.in[1] = b < F ? in_float(b, type) : in_slot(SLOT_B, type);
      c.out = row->kind == STENCIL_FLOAT_COMPARE ? in_int(0, 'i') : in_float(d, type);
      add(c);
      c.out = (struct operand){0};
      for (int not = 0; row->branch && not < 2; not++) {
        c.flags = not ? IS_BRANCH_NOT : IS_BRANCH;
        c.stencil = (not ? row->branch_not : row->branch) + d * (F + 1) + b;
        add(c);
      }
    }
}

static void add_unary(struct test_case c, uint32_t first, char type, char result) {
  bool from_float = type == 'f' || type == 'F', to_float = result == 'f' || result == 'F';
  unsigned sources = from_float ? F : R;
  for (unsigned n = 0; n < (to_float ? F : R) * sources; n++) {
    c.stencil = first + n;
    c.in[0] = from_float ? in_float(n % sources, type) : in_int(n % sources, type);
    c.out = to_float ? in_float(n / sources, result) : in_int(n / sources, result);
    add(c);
  }
}

static void add_access(struct test_case c, const struct stencil_row *row, uint32_t first, char type) {
  bool is_load = row->kind == STENCIL_LOAD_INT || row->kind == STENCIL_LOAD_FLOAT || row->kind == STENCIL_LOAD_V128;
  bool is_float = type == 'f' || type == 'F';
  unsigned values = type == 'v' ? 1 : is_float ? F : is_load ? R : R + 1;
  c.flags = IS_ACCESS | IS_SIGNED;
  for (unsigned n = 0; n < values * (R + 1); n++) {
    unsigned a = is_load ? n % (R + 1) : n / values, b = is_load ? n / (R + 1) : n % values;
    struct operand value = type == 'v' ? in_slot(is_load ? SLOT_D : SLOT_B, 'v')
                           : is_float  ? in_float(b, type)
                           : b < R     ? in_int(b, type)
                                       : constant(type);
    c.stencil = first + n;
    c.imm = random_bits() & 511;
    c.in[0] = a < R ? in_int(a, 'i') : (struct operand){0};
    *(is_load ? &c.out : &c.in[1]) = value;
    add_with_constants(c);
  }
}

/* Any memory; atomic accesses too. */
static void add_checked(struct test_case c, uint32_t stencil, const struct module_op_info *info) {
  bool is_atomic = info->flags & MODULE_OP_ATOMIC;
  c.flags = IS_ACCESS | IS_CHECKED | (is_atomic ? IS_ATOMIC : 0);
  c.stencil = stencil;
  c.in[0] = in_slot(SLOT_A, 'I');
  for (unsigned n = 1; n < info->param_count; n++)
    c.in[n] = in_slot(n == 1 ? SLOT_B : SLOT_C, letter_of(info->params[n]));
  if (info->result_count) c.out = in_slot(SLOT_D, letter_of(info->results[0]));
  for (int n = 0; n < 8; n++) {
    c.imm = (random_bits() & 511) & ~(uint64_t)(is_atomic ? 7 : 0);
    if (n == 7) c.imm = UINT64_MAX - 1023;
    add(c);
  }
}

static void add_slots(struct test_case c, uint32_t stencil, const struct module_op_info *info) {
  static const uint8_t slots[] = {SLOT_A, SLOT_B, SLOT_C, SLOT_MORE};
  c.stencil = stencil;
  for (unsigned n = 0; n < info->param_count; n++) c.in[n] = in_slot(slots[n], letter_of(info->params[n]));
  c.out = in_slot(SLOT_D, info->result_count == 2 ? 'v' : letter_of(info->results[0]));
  if (info->param_count == 4) c.imm = SLOT_MORE * 8;
  for (unsigned lane = 0; lane < c.oracle->lanes; lane++) {
    c.imm = c.lane = lane;
    add(c);
  }
  for (int n = 0; c.oracle->op == MODULE_OP_I8X16_SHUFFLE && n < 16; n++) {
    c.imm = random_bits() & 0x1F1F1F1F1F1F1F1F;
    c.imm2 = random_bits() & 0x1F1F1F1F1F1F1F1F;
    c.konst = (union value){.halves = {c.imm, c.imm2}};
    c.in[2] = constant('v');
    add(c);
  }
  if (!c.oracle->lanes && c.oracle->op != MODULE_OP_I8X16_SHUFFLE)
    for (int n = 0; n < 4; n++) add(c);
}

static void add_row(const struct oracle *oracle, const struct stencil_row *row) {
  const struct module_op_info *info = &module_ops[oracle->op];
  struct test_case c = {.oracle = oracle};
  char type = letter_of(info->param_count > 1 ? info->params[1] : info->params[0]);
  char result = info->result_count ? letter_of(info->results[0]) : type;
  switch (row->kind) {
  case STENCIL_NONE: report(&c, "no stencil"); break;
  case STENCIL_INT_BINARY: add_int_binary(c, row, type, result); break;
  case STENCIL_FLOAT_BINARY:
  case STENCIL_FLOAT_COMPARE: add_float_binary(c, row, type); break;
  case STENCIL_LOAD_INT:
  case STENCIL_LOAD_FLOAT:
  case STENCIL_LOAD_V128:
  case STENCIL_STORE_INT:
  case STENCIL_STORE_FLOAT:
  case STENCIL_STORE_V128: add_access(c, row, row->first, result); break;
  case STENCIL_SLOTS:
    if (info->flags & MODULE_OP_ATOMIC)
      add_checked(c, row->first, info);
    else
      add_slots(c, row->first, info);
    break;
  default: add_unary(c, row->first, letter_of(info->params[0]), result);
  }
  if (row->three) add_three(c, row, type);
  if (row->general) add_checked(c, row->general, info);
}

static void test_set(bool is_fast) {
  for (size_t n = 0; n < BASE_ARRAY_LEN(oracles); n++) {
    struct stencil_row row = stencil_rows[oracles[n].op];
    if (is_fast && !row.fast) continue;
    if (is_fast) row = (struct stencil_row){.kind = row.kind, .first = row.fast};
    start_code();
    add_row(&oracles[n], &row);
    run_cases();
  }
}
TEST(rows) { test_set(false); }
TEST(fast_rows) {
  if (STENCIL_IS_FAST()) test_set(true);
}

/* ---- Families without a row ------------------------------------------------------------------------------------------------------ */

/* first + n: out <- in; -1 in place of an index: it is n. */
static void add_moves(uint32_t first, unsigned count, struct operand out, struct operand in, uint32_t flags) {
  static const struct oracle same = {.op = MODULE_OP_COUNT, .run = oracle_same};
  for (unsigned n = 0; n < count; n++) {
    struct test_case c = {.stencil = first + n, .oracle = &same, .in = {in}, .out = out, .flags = flags};
    if (out.index == UINT8_MAX) c.out.index = (uint8_t)n;
    if (in.index == UINT8_MAX) c.in[0].index = (uint8_t)n;
    add_with_constants(c);
  }
}

TEST(moves) {
  const struct operand r = {INT, UINT8_MAX, 'I'}, f32 = {FLOAT, UINT8_MAX, 'f'}, f64 = {FLOAT, UINT8_MAX, 'F'};
  start_code();
  for (uint8_t d = 0; d < R; d++) add_moves(STENCIL_MOVE_INT + d * R, R, in_int(d, 'I'), r, 0);
  for (uint8_t d = 0; d < F; d++) add_moves(STENCIL_MOVE_FLOAT + d * F, F, in_float(d, 'F'), f64, 0);
  add_moves(STENCIL_GET_INT, R, r, in_slot(SLOT_A, 'I'), 0);
  add_moves(STENCIL_GET_F32, F, f32, in_slot(SLOT_A, 'f'), 0);
  add_moves(STENCIL_GET_F64, F, f64, in_slot(SLOT_A, 'F'), 0);
  add_moves(STENCIL_PUT_INT, R, in_slot(SLOT_D, 'I'), r, 0);
  add_moves(STENCIL_PUT_F32, F, in_slot(SLOT_D, 'f'), f32, 0);
  add_moves(STENCIL_PUT_F64, F, in_slot(SLOT_D, 'F'), f64, 0);
  add_moves(STENCIL_PUT_IMM, 1, in_slot(SLOT_D, 'I'), constant('I'), IS_SIGNED);
  add_moves(STENCIL_PUT_IMM64, 1, in_slot(SLOT_D, 'I'), constant('I'), 0);
  add_moves(STENCIL_MOVE_SLOT, 1, in_slot(SLOT_D, 'I'), in_slot(SLOT_A, 'I'), 0);
  add_moves(STENCIL_MOVE_V128, 1, in_slot(SLOT_D, 'v'), in_slot(SLOT_A, 'v'), 0);
  add_moves(STENCIL_CONST_INT, R, (struct operand){INT, UINT8_MAX, 'i'}, constant('i'), 0);
  add_moves(STENCIL_CONST_INT64, R, r, constant('I'), 0);
  add_moves(STENCIL_CONST_F32, F, f32, constant('f'), 0);
  add_moves(STENCIL_CONST_F64, F, f64, constant('F'), 0);
  run_cases();
}

TEST(selects) {
  static const struct oracle select = {.op = MODULE_OP_COUNT, .run = oracle_select};
  start_code();
  for (unsigned n = 0; n < R * R * R; n++)
    add((struct test_case){.stencil = STENCIL_SELECT_INT + n,
                           .oracle = &select,
                           .out = in_int(n / R / R, 'I'),
                           .in = {in_int(n / R / R, 'I'), in_int(n / R % R, 'I'), in_int(n % R, 'I')}});
  for (unsigned n = 0; n < F * F * R; n++)
    add((struct test_case){.stencil = STENCIL_SELECT_FLOAT + n,
                           .oracle = &select,
                           .out = in_float(n / R / F, 'F'),
                           .in = {in_float(n / R / F, 'F'), in_float(n / R % F, 'F'), in_int(n % R, 'I')}});
  add((struct test_case){.stencil = STENCIL_SELECT_SLOTS,
                         .oracle = &select,
                         .out = in_slot(SLOT_D, 'v'),
                         .in = {in_slot(SLOT_A, 'v'), in_slot(SLOT_B, 'v'), in_slot(SLOT_C, 'I')}});
  run_cases();
}

TEST(branches) {
  static const struct oracle set_i = {.op = MODULE_OP_COUNT, .run = oracle_is_set_i},
                             set_I = {.op = MODULE_OP_COUNT, .run = oracle_is_set_I};
  start_code();
  for (unsigned a = 0; a < R; a++) {
    struct test_case c = {
        .in = {in_int(a, 'I')}, .flags = IS_BRANCH, .oracle = &set_i, .stencil = STENCIL_BRANCH_IF32 + a};
    add(c);
    c.oracle = &set_I;
    c.stencil = STENCIL_BRANCH_IF64 + a;
    add(c);
    c.flags = IS_BRANCH_NOT;
    c.stencil = STENCIL_BRANCH_UNLESS64 + a;
    add(c);
    c.oracle = &set_i;
    c.stencil = STENCIL_BRANCH_UNLESS32 + a;
    add(c);
  }
  run_cases();
}

TEST(bounds) {
  static const struct oracle none = {.op = MODULE_OP_COUNT, .run = oracle_same};
  static const struct {
    uint32_t first;
    char type;
    uint64_t largest;
  } families[] = {{STENCIL_CHECK32, 'i', INT32_MAX}, {STENCIL_CHECK64, 'I', UINT64_MAX}};
  start_code();
  for (unsigned n = 0; n < BASE_ARRAY_LEN(families) * R * 6; n++) {
    unsigned a = n / 6 % R, family = n / 6 / R;
    const uint64_t ends[] = {1, 8, MEMORY_BYTES, MEMORY_BYTES + 1, MEMORY_BYTES / 2, families[family].largest};
    struct test_case c = {.stencil = families[family].first + a,
                          .oracle = &none,
                          .flags = IS_CHECK,
                          .imm = ends[n % 6],
                          .imm2 = -ends[n % 3]};
    c.in[0] = in_int(a, families[family].type);
    add(c);
  }
  for (unsigned n = 0; n < R * 4; n++) {
    const uint64_t last[] = {0, 7, MEMORY_BYTES / 2, MEMORY_BYTES - 1};
    add((struct test_case){.stencil = STENCIL_CHECK + n / 4,
                           .oracle = &none,
                           .flags = IS_CHECK | IS_LAST,
                           .imm = last[n % 4],
                           .in = {in_int(n / 4, 'I')}});
  }
  run_cases();
}

TEST_MAIN(machine_new(); RUN(rows) RUN(fast_rows) RUN(moves) RUN(selects) RUN(branches) RUN(bounds))
