// SPDX-License-Identifier: Apache-2.0
// Proofs, by an SMT solver, that the rules of tnum.h, bounds.h, scalar_inl.h and
// refine_inl.h lose no value, for all operands at once: 64 bits, except for
// products of bounds. Each rule is stated here a second time, over bit vectors;
// the *IsWhatTheCodeComputes tests tie the statements to the code.

#include <gtest/gtest.h>

#ifndef SKEP_HAVE_Z3

TEST(ValuesProof, NeedsLibz3) { GTEST_SKIP() << "built without libz3"; }

#else

#include <random>
#include <string>

#include <z3++.h>

#include "tests/verifier/random_scalar.h"
#include "verifier/bounds.h"
#include "verifier/refine_inl.h"
#include "verifier/scalar_inl.h"

namespace skep::verifier {
namespace {

using z3::expr;

struct Bits {
  expr value, mask;
};
struct Ends {
  expr umin, umax, smin, smax;
};

class ValuesProof : public testing::Test {
 protected:
  expr Var(const std::string& name, unsigned width = 64) {
    return context_.bv_const(name.c_str(), width);
  }
  expr Num(uint64_t v, unsigned width = 64) { return context_.bv_val(v, width); }
  expr Ones(unsigned width = 64) { return ~Num(0, width); }
  expr SignBit(unsigned width = 64) { return z3::shl(Num(1, width), Num(width - 1, width)); }
  Bits VarBits(const std::string& name, unsigned width = 64) {
    return {Var(name + ".value", width), Var(name + ".mask", width)};
  }
  Ends VarEnds(const std::string& name, unsigned width = 64) {
    return {Var(name + ".umin", width), Var(name + ".umax", width), Var(name + ".smin", width),
            Var(name + ".smax", width)};
  }
  Ends Unknown(unsigned width = 64) {
    return {Num(0, width), Ones(width), SignBit(width), ~SignBit(width)};
  }

  // True if the claim holds for all values of the variables.
  bool Holds(const expr& claim) {
    z3::solver solver =
        (z3::tactic(context_, "simplify") & z3::tactic(context_, "propagate-values") &
         z3::tactic(context_, "solve-eqs") & z3::tactic(context_, "bit-blast") &
         z3::tactic(context_, "sat"))
            .mk_solver();
    z3::params params(context_);
    params.set("timeout", 60000u);  // milliseconds; each takes a second or two
    solver.set(params);
    solver.add(!claim);
    const z3::check_result result = solver.check();
    if (result == z3::sat) counterexample_ = solver.get_model().to_string();
    if (result == z3::unknown) counterexample_ = "the solver gave up";
    return result == z3::unsat;
  }
  void Prove(const char* what, const expr& claim) {
    EXPECT_TRUE(Holds(claim)) << what << ": " << counterexample_;
  }

  // Proves that x lies within each end, one at a time, which is much faster.
  void ProveIn(const char* what, const expr& given, const expr& x, const Ends& ends) {
    ProveInReadings(what, given, given, x, ends);
  }
  // The same, where each reading needs its own facts alone.
  void ProveInReadings(const char* what, const expr& given_unsigned, const expr& given_signed,
                       const expr& x, const Ends& ends) {
    Prove(what, z3::implies(given_unsigned, z3::ule(ends.umin, x)));
    Prove(what, z3::implies(given_unsigned, z3::ule(x, ends.umax)));
    Prove(what, z3::implies(given_signed, z3::sle(ends.smin, x)));
    Prove(what, z3::implies(given_signed, z3::sle(x, ends.smax)));
  }

  z3::context context_;
  std::string counterexample_;
};

expr In(const expr& x, const Bits& t) { return (x & ~t.mask) == t.value; }
expr WellFormed(const Bits& t) { return (t.value & t.mask) == 0; }
expr InUnsigned(const expr& x, const Ends& e) { return z3::ule(e.umin, x) && z3::ule(x, e.umax); }
expr InSigned(const expr& x, const Ends& e) { return z3::sle(e.smin, x) && z3::sle(x, e.smax); }
expr In(const expr& x, const Ends& e) { return InUnsigned(x, e) && InSigned(x, e); }
expr UMin(const expr& a, const expr& b) { return z3::ite(z3::ult(a, b), a, b); }
expr UMax(const expr& a, const expr& b) { return z3::ite(z3::ult(a, b), b, a); }
expr SMin(const expr& a, const expr& b) { return z3::ite(z3::slt(a, b), a, b); }
expr SMax(const expr& a, const expr& b) { return z3::ite(z3::slt(a, b), b, a); }
// ---- The rules, as tnum.h and bounds.h state them --------------------------

Bits Make(const expr& value, const expr& mask) { return {value & ~mask, mask}; }
Bits AddRule(const Bits& a, const Bits& b) {
  const expr least = a.value + b.value, most = least + a.mask + b.mask;
  return Make(least, (least ^ most) | a.mask | b.mask);
}
Bits SubRule(const Bits& a, const Bits& b) {
  const expr base = a.value - b.value;
  return Make(base, ((base + a.mask) ^ (base - b.mask)) | a.mask | b.mask);
}
Bits AndRule(const Bits& a, const Bits& b) {
  const expr value = a.value & b.value;
  return {value, (a.value | a.mask) & (b.value | b.mask) & ~value};
}
Bits OrRule(const Bits& a, const Bits& b) {
  const expr value = a.value | b.value;
  return {value, (a.mask | b.mask) & ~value};
}
Bits XorRule(const Bits& a, const Bits& b) { return Make(a.value ^ b.value, a.mask | b.mask); }
Bits UnionRule(const Bits& a, const Bits& b) {
  return Make(a.value, a.mask | b.mask | (a.value ^ b.value));
}
Bits IntersectRule(const Bits& a, const Bits& b) {
  const expr mask = a.mask & b.mask;
  return {(a.value | b.value) & ~mask, mask};
}
// Ones from the highest one of v down.
expr OnesThroughTopBit(expr v) {
  for (unsigned step = 1; step < v.get_sort().bv_size(); step *= 2) {
    v = v | z3::lshr(v, v.ctx().bv_val(step, v.get_sort().bv_size()));
  }
  return v;
}
Bits RangeRule(const expr& low, const expr& high) {
  const expr below = OnesThroughTopBit(low ^ high);
  return {low & ~below, below};
}
expr CeilingRule(const Bits& t, const expr& v) {
  const expr broken = (v ^ t.value) & ~t.mask;
  const expr through = OnesThroughTopBit(broken);
  return z3::ite(
      z3::ule(v, t.value), t.value,
      z3::ite(broken == 0, v,
              z3::ite(z3::ugt(t.value & broken, v & broken), (v & t.mask & ~through) | t.value,
                      (((v | ~t.mask | through) + 1) & t.mask) | t.value)));
}

Ends AddEnds(const Ends& a, const Ends& b, const Ends& unknown) {
  Ends r = unknown;
  const expr low = a.umin + b.umin, high = a.umax + b.umax;
  const expr together = z3::ult(low, a.umin) == z3::ult(high, a.umax);
  r.umin = z3::ite(together, low, r.umin);
  r.umax = z3::ite(together, high, r.umax);
  // An exact sum has the sign of an operand.
  const auto fits = [](const expr& x, const expr& y) {
    return ((x ^ (x + y)) & (y ^ (x + y))) >= 0;
  };
  const expr exact = fits(a.smin, b.smin) && fits(a.smax, b.smax);
  r.smin = z3::ite(exact, a.smin + b.smin, r.smin);
  r.smax = z3::ite(exact, a.smax + b.smax, r.smax);
  return r;
}
Ends SubEnds(const Ends& a, const Ends& b, const Ends& unknown) {
  Ends r = unknown;
  const expr low = a.umin - b.umax, high = a.umax - b.umin;
  const expr together = z3::ult(a.umin, b.umax) == z3::ult(a.umax, b.umin);
  r.umin = z3::ite(together, low, r.umin);
  r.umax = z3::ite(together, high, r.umax);
  // An exact difference of two signs has the first one's.
  const auto fits = [](const expr& x, const expr& y) { return ((x ^ y) & (x ^ (x - y))) >= 0; };
  const expr exact = fits(a.smin, b.smax) && fits(a.smax, b.smin);
  r.smin = z3::ite(exact, a.smin - b.smax, r.smin);
  r.smax = z3::ite(exact, a.smax - b.smin, r.smax);
  return r;
}
Ends MulEnds(const Ends& a, const Ends& b, const Ends& unknown) {
  Ends r = unknown;
  const unsigned width = a.umin.get_sort().bv_size();
  const expr fits =
      z3::zext(a.umax * b.umax, width) == z3::zext(a.umax, width) * z3::zext(b.umax, width);
  r.umin = z3::ite(fits, a.umin * b.umin, r.umin);
  r.umax = z3::ite(fits, a.umax * b.umax, r.umax);
  expr exact = a.umin.ctx().bool_val(true);
  expr least = a.smin * b.smin, most = least;
  for (const expr& x : {a.smin, a.smax}) {
    for (const expr& y : {b.smin, b.smax}) {
      exact = exact && z3::sext(x * y, width) == z3::sext(x, width) * z3::sext(y, width);
      least = SMin(least, x * y);
      most = SMax(most, x * y);
    }
  }
  r.smin = z3::ite(exact, least, r.smin);
  r.smax = z3::ite(exact, most, r.smax);
  return r;
}
// The signed reading of an unsigned range.
Ends FromUnsigned(const expr& low, const expr& high, const Ends& unknown) {
  const expr ordered = z3::sle(low, high);
  return {low, high, z3::ite(ordered, low, unknown.smin), z3::ite(ordered, high, unknown.smax)};
}
Ends LshEnds(const Ends& a, const expr& amount, const expr& sign_bit, const Ends& unknown) {
  Ends r = unknown;
  const expr kept = z3::ule(a.umax, z3::lshr(sign_bit, amount));
  r.umin = z3::ite(kept, z3::shl(a.umin, amount), r.umin);
  r.umax = z3::ite(kept, z3::shl(a.umax, amount), r.umax);
  return r;
}
Ends ReconcileRule(Ends e) {
  const expr same_order = z3::sle(e.umin, e.umax);
  const expr smin = z3::ite(same_order, SMax(e.smin, e.umin), e.smin);
  const expr smax = z3::ite(same_order, SMin(e.smax, e.umax), e.smax);
  const expr keeps_sign = z3::ule(smin, smax);
  const expr ordered = z3::sle(smin, smax);
  const expr in_front = !keeps_sign && ordered && z3::ult(e.umax, smin);
  const expr behind = !keeps_sign && ordered && !in_front && z3::ult(smax, e.umin);
  return {z3::ite(keeps_sign || behind, UMax(e.umin, smin), e.umin),
          z3::ite(keeps_sign || in_front, UMin(e.umax, smax), e.umax),
          z3::ite(in_front, e.umin, smin), z3::ite(behind, e.umax, smax)};
}
// One of LowFromWide's two steps: first .. last are the ends of the whole, in
// the reading in which its members lie between them.
Ends LowFromEndsRule(const Ends& low, const expr& first, const expr& last) {
  const unsigned half = low.umin.get_sort().bv_size();
  const expr first_low = first.extract(half - 1, 0), last_low = last.extract(half - 1, 0);
  const expr first_high = first.extract(2 * half - 1, half);
  const expr last_high = last.extract(2 * half - 1, half);
  const expr same = first_high == last_high;
  const expr next = !same && first_high + 1 == last_high && first_low < 0 && last_low >= 0;
  const expr u = same && z3::ule(first_low, last_low);
  const expr s = (same && z3::sle(first_low, last_low)) || next;
  return {z3::ite(u, UMax(low.umin, first_low), low.umin),
          z3::ite(u, UMin(low.umax, last_low), low.umax),
          z3::ite(s, SMax(low.smin, first_low), low.smin),
          z3::ite(s, SMin(low.smax, last_low), low.smax)};
}
// One of WideFromLow's steps: the lower half lies in least .. greatest, unsigned.
Ends WideFromHalfRule(const Ends& wide, const expr& least, const expr& greatest) {
  const unsigned half = least.get_sort().bv_size();
  const auto join = [half](const expr& end, const expr& lower) {
    return z3::concat(end.extract(2 * half - 1, half), lower);
  };
  return {UMax(wide.umin, join(wide.umin, least)), UMin(wide.umax, join(wide.umax, greatest)),
          SMax(wide.smin, join(wide.smin, least)), SMin(wide.smax, join(wide.smax, greatest))};
}

// ---- Proofs -----------------------------------------------------------------

TEST_F(ValuesProof, TnumOperatorsContainEveryResult) {
  const Bits a = VarBits("a"), b = VarBits("b");
  const expr x = Var("x"), y = Var("y"), n = Var("n");
  const expr given = WellFormed(a) && WellFormed(b) && In(x, a) && In(y, b);
  const auto prove = [&](const char* what, const expr& result, const Bits& rule) {
    Prove(what, z3::implies(given, In(result, rule) && WellFormed(rule)));
  };
  prove("add", x + y, AddRule(a, b));
  prove("sub", x - y, SubRule(a, b));
  prove("neg", -x, SubRule({Num(0), Num(0)}, a));
  prove("and", x & y, AndRule(a, b));
  prove("or", x | y, OrRule(a, b));
  prove("xor", x ^ y, XorRule(a, b));
  prove("union, left", x, UnionRule(a, b));
  prove("union, right", y, UnionRule(a, b));
  prove("lsh", z3::shl(x, n), {z3::shl(a.value, n), z3::shl(a.mask, n)});
  prove("rsh", z3::lshr(x, n), {z3::lshr(a.value, n), z3::lshr(a.mask, n)});
  prove("arsh", z3::ashr(x, n), {z3::ashr(a.value, n), z3::ashr(a.mask, n)});
  Prove("intersect", z3::implies(given && x == y, In(x, IntersectRule(a, b))));
}

TEST_F(ValuesProof, OneStepOfTheTnumProductKeepsTheSumOfTheStepsSoFar) {
  const Bits a = VarBits("a"), b = VarBits("b"), sum = VarBits("sum");
  const expr x = Var("x"), y = Var("y"), s = Var("s");
  const expr given =
      WellFormed(a) && WellFormed(b) && WellFormed(sum) && In(x, a) && In(y, b) && In(s, sum);
  const expr next = z3::ite((x & 1) == 1, s + y, s);
  const Bits added = AddRule(sum, b), either = UnionRule(sum, added);
  const expr one = (a.value & 1) == 1, open = (a.mask & 1) == 1;
  Prove("step",
        z3::implies(
            given, In(next, Bits{z3::ite(one, added.value, z3::ite(open, either.value, sum.value)),
                                 z3::ite(one, added.mask, z3::ite(open, either.mask, sum.mask))})));
  // Where the loop stops early, no choice of the remaining bits leaves sum.
  const expr untouched = ((b.value | b.mask) - 1) & ~(b.value | b.mask);
  Prove("stop", z3::implies(given && (sum.mask | untouched) == Ones(), In(s + y * x, sum)));
}

TEST_F(ValuesProof, TnumOfARangeContainsItAndCeilingIsTheNextMember) {
  const Bits t = VarBits("t");
  const expr x = Var("x"), low = Var("low"), high = Var("high");
  Prove("range", z3::implies(z3::ule(low, x) && z3::ule(x, high), In(x, RangeRule(low, high))));
  const expr ceiling = CeilingRule(t, low);
  Prove("ceiling is a member from there on",
        z3::implies(WellFormed(t) && z3::ule(low, t.value | t.mask),
                    In(ceiling, t) && z3::ule(low, ceiling)));
  Prove("no member comes before it",
        z3::implies(WellFormed(t) && In(x, t) && z3::ule(low, x), z3::ule(ceiling, x)));
}

TEST_F(ValuesProof, BoundsOperatorsContainEveryResult) {
  const Ends a = VarEnds("a"), b = VarEnds("b");
  const Bits t = VarBits("t");
  const expr x = Var("x"), y = Var("y"), n = Var("n");
  const expr given = In(x, a) && In(y, b);
  const Ends all = Unknown();
  const expr given_unsigned = InUnsigned(x, a) && InUnsigned(y, b);
  const expr given_signed = InSigned(x, a) && InSigned(y, b);
  ProveInReadings("add", given_unsigned, given_signed, x + y, AddEnds(a, b, all));
  ProveInReadings("sub", given_unsigned, given_signed, x - y, SubEnds(a, b, all));
  const expr least = t.value, most = t.value | t.mask;
  Prove("and", z3::implies(given && In(x & y, t),
                           In(x & y, FromUnsigned(least, UMin(a.umax, b.umax), all))));
  Prove("or", z3::implies(given && In(x | y, t),
                          In(x | y, FromUnsigned(UMax(a.umin, b.umin), most, all))));
  Prove("xor", z3::implies(In(x ^ y, t), In(x ^ y, FromUnsigned(least, most, all))));
  const expr shift = z3::ult(n, 64);
  Prove("lsh", z3::implies(given && shift, In(z3::shl(x, n), LshEnds(a, n, SignBit(), all))));
  Prove("rsh", z3::implies(given && shift, z3::ule(z3::lshr(a.umin, n), z3::lshr(x, n)) &&
                                               z3::ule(z3::lshr(x, n), z3::lshr(a.umax, n))));
  Prove("arsh", z3::implies(given && shift, z3::sle(z3::ashr(a.smin, n), z3::ashr(x, n)) &&
                                                z3::sle(z3::ashr(x, n), z3::ashr(a.smax, n))));
}

TEST_F(ValuesProof, BoundsOfAProductContainItAt6Bits) {
  const Ends a = VarEnds("a", 6), b = VarEnds("b", 6);
  const expr x = Var("x", 6), y = Var("y", 6);
  Prove("mul", z3::implies(In(x, a) && In(y, b), In(x * y, MulEnds(a, b, Unknown(6)))));
}

TEST_F(ValuesProof, ViewsTightenEachOtherWithoutLosingAMember) {
  const Ends wide = VarEnds("wide"), low = VarEnds("low", 32);
  const expr x = Var("x"), lower = x.extract(31, 0);
  const expr least = Var("least", 32), greatest = Var("greatest", 32);
  ProveIn("unsigned and signed", In(x, wide), x, ReconcileRule(wide));
  ProveIn("half from unsigned whole",
          z3::ule(wide.umin, x) && z3::ule(x, wide.umax) && In(lower, low), lower,
          LowFromEndsRule(low, wide.umin, wide.umax));
  ProveIn("half from signed whole",
          z3::sle(wide.smin, x) && z3::sle(x, wide.smax) && In(lower, low), lower,
          LowFromEndsRule(low, wide.smin, wide.smax));
  ProveIn("whole from half", In(x, wide) && z3::ule(least, lower) && z3::ule(lower, greatest), x,
          WideFromHalfRule(wide, least, greatest));
  Prove("a signed half in unsigned order",
        z3::implies(
            z3::sle(low.smin, lower) && z3::sle(lower, low.smax) && z3::ule(low.smin, low.smax),
            z3::ule(low.smin, lower) && z3::ule(lower, low.smax)));
  const expr end = z3::sext(SignBit(32), 32);  // the least sign-extended half
  Prove("a sign-extended half that is not negative",
        z3::implies(low.smin >= 0 && z3::sle(low.smin, lower) && z3::sle(lower, low.smax) &&
                        z3::sle(end, x) && z3::sle(x, ~end),
                    z3::ule(z3::zext(low.smin, 32), x) && z3::ule(x, z3::zext(low.smax, 32))));
}

TEST_F(ValuesProof, BranchesKeepThePairsThatGoThatWay) {
  const Ends a = VarEnds("a"), b = VarEnds("b");
  const expr x = Var("x"), y = Var("y");
  const expr given = In(x, a) && In(y, b);
  for (const uint64_t gap : {uint64_t{0}, uint64_t{1}}) {
    const expr u = gap == 0 ? z3::ule(x, y) : z3::ult(x, y);
    Prove("unsigned order",
          z3::implies(given && u, z3::uge(b.umax, Num(gap)) && z3::ule(a.umin, Ones() - Num(gap)) &&
                                      z3::ule(x, UMin(a.umax, b.umax - Num(gap))) &&
                                      z3::uge(y, UMax(b.umin, a.umin + Num(gap)))));
    const expr s = gap == 0 ? z3::sle(x, y) : z3::slt(x, y);
    Prove("signed order", z3::implies(given && s, z3::sge(b.smax, SignBit() + Num(gap)) &&
                                                      z3::sle(a.smin, ~SignBit() - Num(gap)) &&
                                                      z3::sle(x, SMin(a.smax, b.smax - Num(gap))) &&
                                                      z3::sge(y, SMax(b.smin, a.smin + Num(gap)))));
  }
  const auto cut = [](const expr& end, const expr& v, int by) {
    return z3::ite(end == v, end + by, end);
  };
  Prove("not equal",
        z3::implies(given && x != y, In(x, Ends{cut(a.umin, y, 1), cut(a.umax, y, -1),
                                                cut(a.smin, y, 1), cut(a.smax, y, -1)})));
  const Bits t = VarBits("t");
  Prove("test, no bit", z3::implies(WellFormed(t) && In(x, t) && (x & y) == 0,
                                    (t.value & y) == 0 && In(x, AndRule(t, {~y, Num(0)}))));
  Prove("test, one bit",
        z3::implies(WellFormed(t) && In(x, t) && (x & y) != 0 && y != 0 && (y & (y - 1)) == 0,
                    In(x, OrRule(t, {y, Num(0)}))));
}

TEST_F(ValuesProof, RefutesAWrongRule) {
  const Bits a = VarBits("a"), b = VarBits("b");
  const expr x = Var("x"), y = Var("y");
  const expr given = WellFormed(a) && WellFormed(b) && In(x, a) && In(y, b);
  EXPECT_FALSE(Holds(z3::implies(given, In(x + y, XorRule(a, b)))));
  const Ends wide = VarEnds("wide");
  EXPECT_FALSE(Holds(z3::implies(In(x, wide), z3::ule(wide.smin, x))));
}

// ---- The statements above are what the code computes -----------------------

class RulesOf : public ValuesProof {
 protected:
  Bits Lift(Tnum t) { return {Num(t.value), Num(t.mask)}; }
  template <int kBits>
  Ends Lift(const BasicBounds<kBits>& b) {
    using W = Word<kBits>;
    return {Num(b.umin, kBits), Num(b.umax, kBits), Num(W::ToUnsigned(b.smin), kBits),
            Num(W::ToUnsigned(b.smax), kBits)};
  }
  bool Same(const Bits& rule, Tnum code) {
    return Value(rule.value) == code.value && Value(rule.mask) == code.mask;
  }
  template <int kBits>
  bool Same(const Ends& rule, const BasicBounds<kBits>& code) {
    using W = Word<kBits>;
    return Value(rule.umin) == code.umin && Value(rule.umax) == code.umax &&
           Value(rule.smin) == W::ToUnsigned(code.smin) &&
           Value(rule.smax) == W::ToUnsigned(code.smax);
  }
  static uint64_t Value(const expr& e) { return e.simplify().get_numeral_uint64(); }
};

TEST_F(RulesOf, TnumIsWhatTheCodeComputes) {
  std::mt19937_64 random(31);
  for (int i = 0; i < 300; ++i) {
    const Tnum a = RandomViewsAround(random, HostileValue(random)).bits;
    const Tnum b = Tnum::Make(HostileValue(random), random() & random());
    const Bits za = Lift(a), zb = Lift(b);
    EXPECT_TRUE(Same(AddRule(za, zb), Add(a, b)));
    EXPECT_TRUE(Same(SubRule(za, zb), Sub(a, b)));
    EXPECT_TRUE(Same(AndRule(za, zb), And(a, b)));
    EXPECT_TRUE(Same(OrRule(za, zb), Or(a, b)));
    EXPECT_TRUE(Same(XorRule(za, zb), Xor(a, b)));
    EXPECT_TRUE(Same(UnionRule(za, zb), Union(a, b)));
    if (const auto both = Intersect(a, b)) {
      EXPECT_TRUE(Same(IntersectRule(za, zb), *both));
    }
    const uint64_t x = HostileValue(random), y = HostileValue(random);
    EXPECT_TRUE(Same(RangeRule(Num(std::min(x, y)), Num(std::max(x, y))),
                     Tnum::Range(std::min(x, y), std::max(x, y))));
    if (x <= b.Max()) {
      EXPECT_EQ(Value(CeilingRule(zb, Num(x))), b.Ceiling(x));
    }
  }
}

TEST_F(RulesOf, BoundsAreWhatTheCodeComputes) {
  std::mt19937_64 random(32);
  for (int i = 0; i < 300; ++i) {
    const Scalar s = RandomViewsAround(random, HostileValue(random));
    const Scalar t = RandomViewsAround(random, HostileValue(random));
    const Ends za = Lift(s.wide), zb = Lift(t.wide), all = Unknown();
    EXPECT_TRUE(Same(AddEnds(za, zb, all), Add(s.wide, t.wide)));
    EXPECT_TRUE(Same(SubEnds(za, zb, all), Sub(s.wide, t.wide)));
    EXPECT_TRUE(Same(MulEnds(za, zb, all), Mul(s.wide, t.wide)));
    const int n = static_cast<int>(random() % 64);
    EXPECT_TRUE(Same(LshEnds(za, Num(static_cast<uint64_t>(n)), SignBit(), all), Lsh(s.wide, n)));
    BasicBounds<64> reconciled = s.wide;
    reconciled.Reconcile();
    EXPECT_TRUE(Same(ReconcileRule(za), reconciled));
  }
}

}  // namespace
}  // namespace skep::verifier

#endif  // SKEP_HAVE_Z3
