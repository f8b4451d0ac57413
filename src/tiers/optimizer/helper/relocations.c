/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the relocations mean that LLVM makes, by kind of processor. All tell a distance from the hole. */
#include <elf.h>

#include "tiers/optimizer/helper/helper.h"

/* The bits of `mask` at the hole become those of `bits`. */
static bool put_bits(uint8_t *hole, uint32_t mask, uint32_t bits) {
  base_store_u32(hole, (base_load_u32(hole) & ~mask) | (bits & mask));
  return true;
}

bool relocations_put_x86_64(uint8_t *hole, uint32_t type, int64_t distance) {
  base_store_u32(hole, (uint32_t)distance);
  return type == R_X86_64_PC32 || type == R_X86_64_PLT32;
}

bool relocations_put_aarch64(uint8_t *hole, uint32_t type, int64_t distance) {
  enum { IMM26 = 0x03FFFFFF, IMM19 = 0x7FFFF << 5, ADR = 3 << 29 | IMM19, REACH = 1 << 20, FAR = 1 << 27 };
  uint32_t bits = (uint32_t)distance;
  switch (type) {
  case R_AARCH64_PREL32: base_store_u32(hole, bits); return true;
  case R_AARCH64_CALL26:
  case R_AARCH64_JUMP26: return distance >= -FAR && distance < FAR && put_bits(hole, IMM26, bits >> 2);
  case R_AARCH64_LD_PREL_LO19: return distance >= -REACH && distance < REACH && put_bits(hole, IMM19, bits >> 2 << 5);
  case R_AARCH64_ADR_PREL_LO21:
    return distance >= -REACH && distance < REACH && put_bits(hole, ADR, (bits & 3) << 29 | bits >> 2 << 5);
  default: return false;
  }
}

/* An instruction that adds the upper 20 bits comes before one that adds the lower ones, with their sign. Where a number is the
 * difference of two places, one relocation adds the one, and another one at the same hole takes off the other. */
bool relocations_put_riscv64(uint8_t *hole, uint32_t type, int64_t distance) {
  const uint32_t upper = 0xFFFFF000, lower = 0xFFF00000, lower_of_store = 0xFE000F80;
  uint32_t bits = (uint32_t)distance;
  switch (type) {
  case R_RISCV_CALL:
  case R_RISCV_CALL_PLT: return put_bits(hole, upper, bits + 0x800) && put_bits(hole + 4, lower, bits << 20);
  case R_RISCV_PCREL_HI20: return put_bits(hole, upper, bits + 0x800);
  case R_RISCV_PCREL_LO12_I: return put_bits(hole, lower, bits << 20);
  case R_RISCV_PCREL_LO12_S: return put_bits(hole, lower_of_store, bits >> 5 << 25 | (bits & 31) << 7);
  case R_RISCV_32_PCREL: base_store_u32(hole, bits); return true;
  case R_RISCV_ADD32: base_store_u32(hole, base_load_u32(hole) + bits); return true;
  case R_RISCV_SUB32: base_store_u32(hole, base_load_u32(hole) - bits); return true;
  default: return false;
  }
}
