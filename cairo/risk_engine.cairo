// The risk engine: decides a batch of allocations and outputs the decisions (design section 6).
//
// Input, read through hints and hence trusted in nothing:
//     n     the number of allocations, 1..MAX_BATCH
//     data  for each allocation a Header, then header.n times a Protocol, without gaps
// Output: [1, n, row...], row = [id, inputs_hash, model_version, verdict, n, then for each protocol risk,
// recommended_bps, proposed_bps].
//
// Every input is shown to lie in its range, or there is no proof; a proposal that is merely rejected is a
// normal output. README.md states for each check why a prover who chooses all hints cannot get past it.
//
// Idioms, chosen for few steps and few range checks:
// - A range-check cell holds a value of [0, 2^128). Besides x itself, x + (RC_MAX - b) is put into a cell to
//   show x <= b, exactly.
// - value = q * div + r: q and r are guessed into cells; r + (RC_MAX - (div - 1)) in a third shows r < div.
// - A guessed bit decides a branch, and each branch shows that it was entered rightly.
// - Rare cases stand behind the `return` and jump back, so that the common case jumps over nothing. The
//   compiler does not check backward jumps: what is read behind the label must lie at the same distance
//   from ap on both ways. That is why rare cases work in locals.

%builtins output pedersen range_check

from starkware.cairo.common.alloc import alloc
from starkware.cairo.common.cairo_builtins import HashBuiltin
from starkware.cairo.common.registers import get_fp_and_pc
from risk_tables import audit_points, clamped_risk, liquidity_points

const SCHEMA = 1;
// The constants of this file and of risk_tables.cairo are version 0 of the model.
const MODEL_VERSION = 0;
const MAX_BATCH = 2 ** 16;

const WHOLE_BPS = 10000;
const DIVERSIFIED_BPS = 1000;
const MAX_APY_BPS = 100000;
const MAX_GIVEN_RISK = 100;
const MAX_PROTOCOLS = 8;
const MAX_AGE_DAYS = 36500;
const SETTLED_AGE_DAYS = 730;
const DAYS_A_POINT = 73;
const MAX_AUDIT_SCORE = 100;
const WORST_LIQUIDITY = 3;
// util * 25 // 10000 and volatility * 40 // 10000, reduced.
const UTILIZATION_A_POINT = 400;
const VOLATILITY_A_POINT = 250;

const RISK_MISMATCH = 1;
const OVER_MAX_SINGLE = 2;
const UNDER_DIVERSIFIED = 4;
const OVER_DEVIATION = 8;
const OVER_VOLATILITY = 16;
const UNDER_LIQUIDITY = 32;

const RC_MAX = 2 ** 128 - 1;

struct Header {
    id: felt,
    n: felt,
    max_single: felt,
    min_diversification: felt,
    max_deviation: felt,
    max_volatility: felt,
    min_liquidity: felt,
}

struct Protocol {
    name: felt,
    apy: felt,
    proposed: felt,
    has_metrics: felt,
    utilization: felt,
    volatility: felt,
    liquidity: felt,
    audit_score: felt,
    age: felt,
    has_risk: felt,
    risk: felt,
}

struct RowHeader {
    id: felt,
    inputs_hash: felt,
    model_version: felt,
    verdict: felt,
    n: felt,
}

// A protocol's part of a row.
struct Share {
    risk: felt,
    recommended: felt,
    proposed: felt,
}

// Hashed before the protocols: the header and the model version.
const HEADER_HASHES = Header.SIZE + 1;

func main{output_ptr: felt*, pedersen_ptr: HashBuiltin*, range_check_ptr}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    let (local data: felt*) = alloc();
    %{ segments.write_arg(ids.data, program_input["data"]) %}
    let (scores: felt*) = alloc();

    assert [range_check_ptr] = n - 1;
    assert [range_check_ptr + 1] = n + (RC_MAX - MAX_BATCH);
    let range_check_ptr = range_check_ptr + 2;

    assert output_ptr[0] = SCHEMA;
    assert output_ptr[1] = n;
    let output_ptr = output_ptr + 2;
    evaluate_all(data=cast(data, Header*), scores=scores, left=n - 1);
    return ();
}

// Decides the allocation at `data` and the `left` ones behind it. `scores` is free memory.
func evaluate_all{output_ptr: felt*, pedersen_ptr: HashBuiltin*, range_check_ptr}(
    data: Header*, scores: felt*, left
) {
    alloc_locals;
    local negated;
    local excess;
    local negated_minimum;
    local single_minus_one;
    local fault_reasons;
    local reasons;
    local verdict_so_far;

    local id = data.id;
    local n = data.n;
    local max_single = data.max_single;
    local min_diversification = data.min_diversification;
    local max_deviation = data.max_deviation;
    local max_volatility = data.max_volatility;
    local min_liquidity = data.min_liquidity;
    let row = cast(output_ptr, RowHeader*);
    let shares = cast(output_ptr + RowHeader.SIZE, Share*);
    let protocols = cast(data + Header.SIZE, Protocol*);

    assert pedersen_ptr[0].x = 0;
    assert pedersen_ptr[0].y = id;
    assert pedersen_ptr[1].x = pedersen_ptr[0].result;
    assert pedersen_ptr[1].y = MODEL_VERSION;
    assert pedersen_ptr[2].x = pedersen_ptr[1].result;
    assert pedersen_ptr[2].y = n;
    assert pedersen_ptr[3].x = pedersen_ptr[2].result;
    assert pedersen_ptr[3].y = max_single;
    assert pedersen_ptr[4].x = pedersen_ptr[3].result;
    assert pedersen_ptr[4].y = min_diversification;
    assert pedersen_ptr[5].x = pedersen_ptr[4].result;
    assert pedersen_ptr[5].y = max_deviation;
    assert pedersen_ptr[6].x = pedersen_ptr[5].result;
    assert pedersen_ptr[6].y = max_volatility;
    assert pedersen_ptr[7].x = pedersen_ptr[6].result;
    assert pedersen_ptr[7].y = min_liquidity;

    // id < 2^248.
    let value = id;
    tempvar div = 2 ** 120;
    let q = [range_check_ptr];
    let r = [range_check_ptr + 1];
    %{
        from starkware.cairo.common.math_utils import assert_integer
        assert_integer(ids.div)
        assert 0 < ids.div <= PRIME // range_check_builtin.bound, \
            f'div={hex(ids.div)} is out of the valid range.'
        ids.q, ids.r = divmod(ids.value, ids.div)
    %}
    tempvar rest = id - q * div;
    assert r = rest;
    assert [range_check_ptr + 2] = rest + (RC_MAX - (2 ** 120 - 1));

    assert [range_check_ptr + 3] = n - 2;
    assert [range_check_ptr + 4] = n + (RC_MAX - MAX_PROTOCOLS);
    // max_single >= 1 follows if no share is above it; label single_or_mismatch shows it if one is.
    assert [range_check_ptr + 5] = max_single + (RC_MAX - WHOLE_BPS);

    // The last three limits are mostly absent: their neutral values are in range and never trigger.
    local deviation_slack = max_deviation - WHOLE_BPS;
    local volatility_slack = max_volatility - WHOLE_BPS;
    local liquidity_slack = min_liquidity - WORST_LIQUIDITY;
    jmp more_limits if deviation_slack != 0;
    jmp more_limits if volatility_slack != 0;
    jmp more_limits if liquidity_slack != 0;
    tempvar pedersen_ptr: HashBuiltin* = pedersen_ptr + HEADER_HASHES * HashBuiltin.SIZE;
    tempvar range_check_ptr = range_check_ptr + 6;

    assess:
    let (total_score, small_shares, over_max, mismatches) = assess_protocols(
        protocol=protocols,
        share=shares,
        scores=scores,
        max_single=max_single,
        left=n - 1,
        total_score=0,
        total_bps=0,
        small_shares=0,
        over_max=0,
        mismatches=0,
    );

    // The number of elements closes the array hash.
    local hashed = n * Protocol.SIZE + HEADER_HASHES;
    assert pedersen_ptr.x = [cast(pedersen_ptr, felt*) - 1];
    assert pedersen_ptr.y = hashed;
    assert row.id = id;
    assert row.inputs_hash = pedersen_ptr.result;
    assert row.model_version = MODEL_VERSION;
    assert row.n = n;
    local pedersen_ptr: HashBuiltin* = pedersen_ptr + HashBuiltin.SIZE;

    // min_diversification is in 1..8: one bound is shown, the other follows from the comparison, for the
    // number of large shares is in 0..8.
    tempvar a = n - small_shares - min_diversification;
    %{ memory[ap] = 0 if 0 <= (ids.a % PRIME) < range_check_builtin.bound else 1 %}
    jmp under_diversified if [ap] != 0, ap++;
    assert [range_check_ptr] = a;
    assert [range_check_ptr + 1] = min_diversification - 1;

    diversification_judged:
    let is_under_diversified = [ap - 2];
    local diversification_reason = is_under_diversified * UNDER_DIVERSIFIED;
    tempvar faults = over_max + mismatches;
    jmp single_or_mismatch if faults != 0;
    assert reasons = diversification_reason;
    tempvar range_check_ptr = range_check_ptr + 2;

    recommend:
    // If all scores are 0, all shares but the last are 0, as any divisor gives.
    jmp scored if total_score != 0;
    tempvar divisor = 1;
    jmp divisor_chosen;

    scored:
    tempvar divisor = total_score;

    divisor_chosen:
    let (deviation_reason) = recommend_shares(
        divisor=divisor,
        share=shares,
        scores=scores,
        left=n - 1,
        remaining=WHOLE_BPS,
        deviation_slack=deviation_slack,
        deviation_reason=0,
    );
    tempvar verdict = reasons + deviation_reason;
    jmp metrics_limits if volatility_slack != 0;
    jmp metrics_limits if liquidity_slack != 0;

    judged:
    assert row.verdict = verdict;
    let output_ptr = output_ptr + RowHeader.SIZE + n * Share.SIZE;
    jmp next if left != 0;
    return ();

    next:
    return evaluate_all(
        data=cast(data + hashed - 1, Header*), scores=scores + n, left=left - 1
    );

    more_limits:
    assert [range_check_ptr + 6] = max_deviation;
    assert [range_check_ptr + 7] = max_deviation + (RC_MAX - WHOLE_BPS);
    assert [range_check_ptr + 8] = max_volatility;
    assert [range_check_ptr + 9] = max_volatility + (RC_MAX - WHOLE_BPS);
    assert [range_check_ptr + 10] = min_liquidity;
    assert [range_check_ptr + 11] = min_liquidity + (RC_MAX - WORST_LIQUIDITY);
    tempvar pedersen_ptr: HashBuiltin* = pedersen_ptr + HEADER_HASHES * HashBuiltin.SIZE;
    tempvar range_check_ptr = range_check_ptr + 12;
    jmp assess;

    under_diversified:
    assert [ap - 1] = 1;
    assert negated = a * (-1);
    assert excess = negated - 1;
    assert [range_check_ptr] = excess;
    assert negated_minimum = min_diversification * (-1);
    tempvar headroom = negated_minimum + MAX_PROTOCOLS;
    assert [range_check_ptr + 1] = headroom;
    jmp diversification_judged;

    single_or_mismatch:
    assert single_minus_one = max_single - 1;
    assert [range_check_ptr + 2] = single_minus_one;
    jmp single if over_max != 0;
    assert fault_reasons = RISK_MISMATCH;
    jmp faults_judged;

    single:
    jmp single_and_mismatch if mismatches != 0;
    assert fault_reasons = OVER_MAX_SINGLE;
    jmp faults_judged;

    single_and_mismatch:
    assert fault_reasons = OVER_MAX_SINGLE + RISK_MISMATCH;

    faults_judged:
    assert reasons = diversification_reason + fault_reasons;
    tempvar range_check_ptr = range_check_ptr + 3;
    jmp recommend;

    metrics_limits:
    assert verdict_so_far = verdict;
    let (volatility_reason, liquidity_reason) = judge_metrics(
        protocol=protocols,
        max_volatility=max_volatility,
        min_liquidity=min_liquidity,
        left=n - 1,
        volatility_reason=0,
        liquidity_reason=0,
    );
    tempvar metrics_reasons = volatility_reason + liquidity_reason;
    tempvar range_check_ptr = range_check_ptr;
    ap += 1;
    tempvar verdict = verdict_so_far + metrics_reasons;
    jmp judged;
}

// Assesses the protocol at `protocol` and the `left` ones behind it: continues the inputs' hash, writes risk
// and proposed share to `share` and the score to `scores`, and adds to the totals: score, share, shares
// below 1000 bps, shares above max_single, given risks that differ from the computed one.
func assess_protocols{pedersen_ptr: HashBuiltin*, range_check_ptr}(
    protocol: Protocol*,
    share: Share*,
    scores: felt*,
    max_single,
    left,
    total_score,
    total_bps,
    small_shares,
    over_max,
    mismatches,
) -> (total_score: felt, small_shares: felt, over_max: felt, mismatches: felt) {
    alloc_locals;
    local single_negated;
    local single_excess;
    local small_negated;
    local small_excess;

    local name = protocol.name;
    local apy = protocol.apy;
    local proposed = protocol.proposed;
    local has_metrics = protocol.has_metrics;
    local has_risk = protocol.has_risk;
    local given_risk = protocol.risk;

    // name < 2^248: with q, r < 2^128 it is below 2^247 + 2^128, and all ASCII names are below 2^247.
    let value = name;
    tempvar div = 2 ** 119;
    let q = [range_check_ptr];
    let r = [range_check_ptr + 1];
    %{
        from starkware.cairo.common.math_utils import assert_integer
        assert_integer(ids.div)
        assert 0 < ids.div <= PRIME // range_check_builtin.bound, \
            f'div={hex(ids.div)} is out of the valid range.'
        ids.q, ids.r = divmod(ids.value, ids.div)
    %}
    assert r = name - q * div;
    jmp named if name != 0;
    assert name = 1;

    named:
    // On the stack in the order in which risk_score takes them.
    tempvar range_check_ptr = range_check_ptr + 2;
    tempvar utilization = protocol.utilization;
    tempvar volatility = protocol.volatility;
    tempvar liquidity = protocol.liquidity;
    tempvar audit_score = protocol.audit_score;
    tempvar age = protocol.age;

    assert pedersen_ptr[0].y = name;
    assert pedersen_ptr[1].y = apy;
    assert pedersen_ptr[2].y = proposed;
    assert pedersen_ptr[3].y = has_metrics;
    assert pedersen_ptr[4].y = utilization;
    assert pedersen_ptr[5].y = volatility;
    assert pedersen_ptr[6].y = liquidity;
    assert pedersen_ptr[7].y = audit_score;
    assert pedersen_ptr[8].y = age;
    assert pedersen_ptr[9].y = has_risk;
    assert pedersen_ptr[10].y = given_risk;

    jmp with_metrics if has_metrics != 0;
    jmp without_metrics;

    with_metrics:
    assert has_metrics = 1;
    jmp with_both if has_risk != 0;
    assert given_risk = 0;
    let (risk) = risk_score(
        utilization=utilization,
        volatility=volatility,
        liquidity=liquidity,
        audit_score=audit_score,
        age=age,
    );
    tempvar mismatches = mismatches;

    resolved:
    assert share.risk = risk;
    assert share.proposed = proposed;

    // apy >= 0 follows: the quotient and the rest below are not negative.
    assert [range_check_ptr] = apy + (RC_MAX - MAX_APY_BPS);
    tempvar value = apy * 10000;
    tempvar div = risk + 1;
    let q = [range_check_ptr + 1];
    let r = [range_check_ptr + 2];
    %{
        from starkware.cairo.common.math_utils import assert_integer
        assert_integer(ids.div)
        assert 0 < ids.div <= PRIME // range_check_builtin.bound, \
            f'div={hex(ids.div)} is out of the valid range.'
        ids.q, ids.r = divmod(ids.value, ids.div)
    %}
    tempvar score = q;
    tempvar rest = value - score * div;
    assert r = rest;
    assert [range_check_ptr + 3] = risk - rest;
    assert scores[0] = score;

    tempvar a = max_single - proposed;
    %{ memory[ap] = 0 if 0 <= (ids.a % PRIME) < range_check_builtin.bound else 1 %}
    jmp over_max_single if [ap] != 0, ap++;
    assert [range_check_ptr + 4] = a;

    single_judged:
    let is_over_max = [ap - 1];
    // proposed >= 0 follows here; label small_share shows it.
    tempvar a = proposed - DIVERSIFIED_BPS;
    %{ memory[ap] = 0 if 0 <= (ids.a % PRIME) < range_check_builtin.bound else 1 %}
    jmp small_share if [ap] != 0, ap++;
    assert [range_check_ptr + 5] = a;

    size_judged:
    let is_small = [ap - 1];
    // Only a small share takes a seventh range check.
    tempvar range_checks = range_check_ptr + is_small;

    assert pedersen_ptr[0].x = [cast(pedersen_ptr, felt*) - 1];
    assert pedersen_ptr[1].x = pedersen_ptr[0].result;
    assert pedersen_ptr[2].x = pedersen_ptr[1].result;
    assert pedersen_ptr[3].x = pedersen_ptr[2].result;
    assert pedersen_ptr[4].x = pedersen_ptr[3].result;
    assert pedersen_ptr[5].x = pedersen_ptr[4].result;
    assert pedersen_ptr[6].x = pedersen_ptr[5].result;
    assert pedersen_ptr[7].x = pedersen_ptr[6].result;
    assert pedersen_ptr[8].x = pedersen_ptr[7].result;
    assert pedersen_ptr[9].x = pedersen_ptr[8].result;
    assert pedersen_ptr[10].x = pedersen_ptr[9].result;
    let pedersen_ptr = pedersen_ptr + Protocol.SIZE * HashBuiltin.SIZE;
    let range_check_ptr = range_checks + 6;
    jmp more if left != 0;
    assert total_bps + proposed = WHOLE_BPS;
    return (
        total_score=total_score + score,
        small_shares=small_shares + is_small,
        over_max=over_max + is_over_max,
        mismatches=mismatches,
    );

    more:
    return assess_protocols(
        protocol=protocol + Protocol.SIZE,
        share=share + Share.SIZE,
        scores=scores + 1,
        max_single=max_single,
        left=left - 1,
        total_score=total_score + score,
        total_bps=total_bps + proposed,
        small_shares=small_shares + is_small,
        over_max=over_max + is_over_max,
        mismatches=mismatches,
    );

    without_metrics:
    assert utilization = 0;
    assert volatility = 0;
    assert liquidity = 0;
    assert audit_score = 0;
    assert age = 0;
    assert has_risk = 1;
    assert [range_check_ptr] = given_risk;
    assert [range_check_ptr + 1] = given_risk + (RC_MAX - MAX_GIVEN_RISK);
    tempvar range_check_ptr = range_check_ptr + 2;
    tempvar risk = given_risk;
    tempvar mismatches = mismatches;
    jmp resolved;

    with_both:
    assert has_risk = 1;
    let (risk) = risk_score(
        utilization=utilization,
        volatility=volatility,
        liquidity=liquidity,
        audit_score=audit_score,
        age=age,
    );
    assert [range_check_ptr] = given_risk;
    assert [range_check_ptr + 1] = given_risk + (RC_MAX - MAX_GIVEN_RISK);
    tempvar difference = given_risk - risk;
    tempvar computed_risk = risk;
    tempvar range_check_ptr = range_check_ptr + 2;
    tempvar risk = computed_risk;
    jmp mismatch if difference != 0;
    tempvar mismatches = mismatches;
    jmp resolved;

    mismatch:
    tempvar mismatches = mismatches + 1;
    jmp resolved;

    over_max_single:
    assert [ap - 1] = 1;
    assert single_negated = a * (-1);
    assert single_excess = single_negated - 1;
    assert [range_check_ptr + 4] = single_excess;
    jmp single_judged;

    small_share:
    assert [ap - 1] = 1;
    assert small_negated = a * (-1);
    assert small_excess = small_negated - 1;
    assert [range_check_ptr + 5] = small_excess;
    assert [range_check_ptr + 6] = proposed;
    jmp size_judged;
}

// The risk 5..95 of a protocol's metrics, each of which is shown to be in range.
func risk_score{range_check_ptr}(utilization, volatility, liquidity, audit_score, age) -> (risk: felt) {
    // utilization >= 0 follows from q, r >= 0.
    let value = utilization;
    let div = UTILIZATION_A_POINT;
    let q = [range_check_ptr];
    let r = [range_check_ptr + 1];
    %{
        from starkware.cairo.common.math_utils import assert_integer
        assert_integer(ids.div)
        assert 0 < ids.div <= PRIME // range_check_builtin.bound, \
            f'div={hex(ids.div)} is out of the valid range.'
        ids.q, ids.r = divmod(ids.value, ids.div)
    %}
    tempvar utilization_points = q;
    tempvar rest = utilization - utilization_points * UTILIZATION_A_POINT;
    assert r = rest;
    assert [range_check_ptr + 2] = rest + (RC_MAX - (UTILIZATION_A_POINT - 1));
    assert [range_check_ptr + 3] = utilization + (RC_MAX - WHOLE_BPS);

    let value = volatility;
    let div = VOLATILITY_A_POINT;
    let q = [range_check_ptr + 4];
    let r = [range_check_ptr + 5];
    %{
        from starkware.cairo.common.math_utils import assert_integer
        assert_integer(ids.div)
        assert 0 < ids.div <= PRIME // range_check_builtin.bound, \
            f'div={hex(ids.div)} is out of the valid range.'
        ids.q, ids.r = divmod(ids.value, ids.div)
    %}
    tempvar volatility_points = q;
    tempvar rest = volatility - volatility_points * VOLATILITY_A_POINT;
    assert r = rest;
    assert [range_check_ptr + 6] = rest + (RC_MAX - (VOLATILITY_A_POINT - 1));
    assert [range_check_ptr + 7] = volatility + (RC_MAX - WHOLE_BPS);

    // l * (l - 3) is 0 for 0 and 3, -2 for 1 and 2, and neither for anything else.
    tempvar liquidity_minus_three = liquidity - WORST_LIQUIDITY;
    tempvar product = liquidity * liquidity_minus_three;
    tempvar zero_or_four = product * (-2);
    assert zero_or_four = product * product;

    assert [range_check_ptr + 8] = audit_score;
    assert [range_check_ptr + 9] = audit_score + (RC_MAX - MAX_AUDIT_SCORE);

    let (_, here) = get_fp_and_pc();

    here_label:
    tempvar at_liquidity = here + liquidity;
    tempvar of_liquidity = [at_liquidity + (liquidity_points - here_label)];
    tempvar at_audit = here + audit_score;
    tempvar of_audit = [at_audit + (audit_points - here_label)];
    tempvar usage_points = utilization_points + volatility_points;
    tempvar quality_points = of_liquidity + of_audit;
    tempvar points = usage_points + quality_points;
    tempvar at_risk = here + points;

    tempvar a = age - SETTLED_AGE_DAYS;
    %{ memory[ap] = 0 if 0 <= (ids.a % PRIME) < range_check_builtin.bound else 1 %}
    jmp young if [ap] != 0, ap++;
    assert [range_check_ptr + 10] = a;
    assert [range_check_ptr + 11] = age + (RC_MAX - MAX_AGE_DAYS);
    let range_check_ptr = range_check_ptr + 12;
    return (risk=[at_risk + (clamped_risk - here_label)]);

    young:
    // With age >= 0 and 730 - age >= 0 (q, r >= 0) this holds whatever bit was guessed.
    assert [range_check_ptr + 10] = age;
    tempvar value = SETTLED_AGE_DAYS - age;
    let div = DAYS_A_POINT;
    let q = [range_check_ptr + 11];
    let r = [range_check_ptr + 12];
    %{
        from starkware.cairo.common.math_utils import assert_integer
        assert_integer(ids.div)
        assert 0 < ids.div <= PRIME // range_check_builtin.bound, \
            f'div={hex(ids.div)} is out of the valid range.'
        ids.q, ids.r = divmod(ids.value, ids.div)
    %}
    tempvar age_points = q;
    tempvar rest = value - age_points * DAYS_A_POINT;
    assert r = rest;
    assert [range_check_ptr + 13] = rest + (RC_MAX - (DAYS_A_POINT - 1));
    let range_check_ptr = range_check_ptr + 14;
    tempvar at_risk = at_risk + age_points;
    return (risk=[at_risk + (clamped_risk - here_label)]);
}

// Writes the recommended share of the protocol at `share` and of the `left` ones behind it, of which the last
// gets what is `remaining`. `deviation_slack` is max_deviation - 10000, 0 if the limit cannot trigger.
func recommend_shares{range_check_ptr}(
    divisor, share: Share*, scores: felt*, left, remaining, deviation_slack, deviation_reason
) -> (deviation_reason: felt) {
    jmp divide if left != 0;
    assert share.recommended = remaining;
    jmp last_deviation if deviation_slack != 0;
    return (deviation_reason=deviation_reason);

    divide:
    tempvar score = scores[0];
    tempvar value = score * 10000;
    let div = divisor;
    let q = [range_check_ptr];
    let r = [range_check_ptr + 1];
    %{
        from starkware.cairo.common.math_utils import assert_integer
        assert_integer(ids.div)
        assert 0 < ids.div <= PRIME // range_check_builtin.bound, \
            f'div={hex(ids.div)} is out of the valid range.'
        ids.q, ids.r = divmod(ids.value, ids.div)
    %}
    tempvar recommended = q;
    tempvar rest = value - recommended * divisor;
    assert r = rest;
    assert [range_check_ptr + 2] = divisor - rest - 1;
    assert share.recommended = recommended;
    let range_check_ptr = range_check_ptr + 3;
    jmp deviation if deviation_slack != 0;
    return recommend_shares(
        divisor=divisor,
        share=share + Share.SIZE,
        scores=scores + 1,
        left=left - 1,
        remaining=remaining - recommended,
        deviation_slack=deviation_slack,
        deviation_reason=deviation_reason,
    );

    last_deviation:
    return judge_deviation(
        share=share,
        max_deviation=deviation_slack + WHOLE_BPS,
        deviation_reason=deviation_reason,
    );

    deviation:
    let (deviation_reason) = judge_deviation(
        share=share,
        max_deviation=deviation_slack + WHOLE_BPS,
        deviation_reason=deviation_reason,
    );
    return recommend_shares(
        divisor=divisor,
        share=share + Share.SIZE,
        scores=scores + 1,
        left=left - 1,
        remaining=remaining - share.recommended,
        deviation_slack=deviation_slack,
        deviation_reason=deviation_reason,
    );
}

// OVER_DEVIATION if the share is further than max_deviation from the recommended, else what was found before.
func judge_deviation{range_check_ptr}(share: Share*, max_deviation, deviation_reason) -> (
    deviation_reason: felt
) {
    // Both differences are below 2^14, so comparing the squares compares them.
    tempvar gap = share.proposed - share.recommended;
    tempvar gap_squared = gap * gap;
    tempvar a = max_deviation * max_deviation - gap_squared;
    %{ memory[ap] = 0 if 0 <= (ids.a % PRIME) < range_check_builtin.bound else 1 %}
    jmp over_deviation if [ap] != 0, ap++;
    assert [range_check_ptr] = a;
    let range_check_ptr = range_check_ptr + 1;
    return (deviation_reason=deviation_reason);

    over_deviation:
    assert [range_check_ptr] = -a - 1;
    let range_check_ptr = range_check_ptr + 1;
    return (deviation_reason=OVER_DEVIATION);
}

// Judges the metrics of the protocol at `protocol` and of the `left` ones behind it.
func judge_metrics{range_check_ptr}(
    protocol: Protocol*, max_volatility, min_liquidity, left, volatility_reason, liquidity_reason
) -> (volatility_reason: felt, liquidity_reason: felt) {
    alloc_locals;
    let weight = protocol.proposed * protocol.has_metrics;
    if (weight == 0) {
        tempvar range_check_ptr = range_check_ptr;
        tempvar volatility_reason = volatility_reason;
        tempvar liquidity_reason = liquidity_reason;
    } else {
        tempvar a = max_volatility - protocol.volatility;
        %{ memory[ap] = 0 if 0 <= (ids.a % PRIME) < range_check_builtin.bound else 1 %}
        jmp over_volatility if [ap] != 0, ap++;
        assert [range_check_ptr] = a;
        tempvar volatility_reason = volatility_reason;
        jmp volatility_judged;

        over_volatility:
        assert [range_check_ptr] = -a - 1;
        tempvar volatility_reason = OVER_VOLATILITY;

        volatility_judged:
        local volatility_judgement = volatility_reason;
        tempvar a = min_liquidity - protocol.liquidity;
        %{ memory[ap] = 0 if 0 <= (ids.a % PRIME) < range_check_builtin.bound else 1 %}
        jmp under_liquidity if [ap] != 0, ap++;
        assert [range_check_ptr + 1] = a;
        tempvar liquidity_reason = liquidity_reason;
        jmp liquidity_judged;

        under_liquidity:
        assert [range_check_ptr + 1] = -a - 1;
        tempvar liquidity_reason = UNDER_LIQUIDITY;

        liquidity_judged:
        let liquidity_judgement = [ap - 1];
        tempvar liquidity_judgement = liquidity_judgement;
        tempvar range_check_ptr = range_check_ptr + 2;
        tempvar volatility_reason = volatility_judgement;
        tempvar liquidity_reason = liquidity_judgement;
    }
    if (left == 0) {
        return (volatility_reason=volatility_reason, liquidity_reason=liquidity_reason);
    }
    return judge_metrics(
        protocol=protocol + Protocol.SIZE,
        max_volatility=max_volatility,
        min_liquidity=min_liquidity,
        left=left - 1,
        volatility_reason=volatility_reason,
        liquidity_reason=liquidity_reason,
    );
}
