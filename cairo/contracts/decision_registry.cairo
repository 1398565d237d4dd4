// The decisions of the risk engine on chain: each one stands here once, and only with a verified proof of the chain
// build (cairo/risk_engine_chain.cairo).
//
// Nobody can change anything: the registry of facts, the programs, the verifier's configurations, the least security and
// the recorders are set at deployment. Who wants others deploys another contract.
//
// A proof shows that a decision follows from its inputs, not that the inputs are true: whoever may record vouches for
// them. Without recorders anybody may record; then consumers must ask with the inputs_hash that they expect.
//
// Hashes, rows and paths: schemas/trace-v1.md, "The chain build". The language is Cairo 2.1.

use starknet::ContractAddress;

// Integrity's registry of facts, as far as it is asked.
#[derive(Copy, Drop, Serde)]
struct VerifierConfiguration {
    layout: felt252,
    hasher: felt252,
    stone_version: felt252,
    memory_verification: felt252,
}

#[derive(Copy, Drop, Serde)]
struct VerificationListElement {
    verification_hash: felt252,
    security_bits: u32,
    verifier_config: VerifierConfiguration,
}

#[starknet::interface]
trait IFactRegistry<TContractState> {
    fn get_all_verifications_for_fact_hash(
        self: @TContractState, fact_hash: felt252
    ) -> Array<VerificationListElement>;
}

// A decision that was recorded; `recorded` is false, and the rest 0, for one that was not.
#[derive(Copy, Drop, Serde)]
struct Decision {
    recorded: bool,
    inputs_hash: felt252,
    verdict: felt252,
    leaf: felt252,
}

#[starknet::interface]
trait IDecisionRegistry<TContractState> {
    // Records the decision in `row`, which stands at `index` among the `count` rows under `root`. False if it is
    // recorded already.
    fn record(
        ref self: TContractState,
        program_hash: felt252,
        count: u32,
        root: felt252,
        row: Array<felt252>,
        index: u32,
        path: Array<felt252>
    ) -> bool;
    // Whether the allocation is approved with these proposed shares, in the proposal's order.
    fn is_approved(self: @TContractState, allocation_id: felt252, shares: Array<felt252>) -> bool;
    // The same, and whether the decision rests on the inputs with this hash.
    fn is_approved_for(
        self: @TContractState, allocation_id: felt252, inputs_hash: felt252, shares: Array<felt252>
    ) -> bool;
    fn decision(self: @TContractState, allocation_id: felt252) -> Decision;
    fn fact_registry(self: @TContractState) -> ContractAddress;
    fn accepts_program(self: @TContractState, program_hash: felt252) -> bool;
    fn accepts_configuration(self: @TContractState, configuration: VerifierConfiguration) -> bool;
    fn min_security_bits(self: @TContractState) -> u32;
    fn may_record(self: @TContractState, account: ContractAddress) -> bool;
}

#[starknet::contract]
mod DecisionRegistry {
    use array::{Array, ArrayTrait, Span, SpanTrait};
    use hash::pedersen;
    use integer::u256_from_felt252;
    use option::OptionTrait;
    use poseidon::poseidon_hash_span;
    use starknet::{ContractAddress, get_caller_address};
    use traits::{Into, TryInto};
    use zeroable::Zeroable;
    use super::{
        Decision, IDecisionRegistry, IFactRegistryDispatcher, IFactRegistryDispatcherTrait, VerificationListElement,
        VerifierConfiguration
    };

    // The output's first felt.
    const SCHEMA: felt252 = 2;
    const ROW_TAG: felt252 = 'proofrail/row/v1';
    const MODEL_VERSION: felt252 = 0;
    const MAX_BATCH: u32 = 65536;
    const WHOLE_BPS: u32 = 10000;
    const MAX_RISK: u32 = 100;
    const VERDICTS: u32 = 64;
    const ROW_HEADER: u32 = 5;
    const ROW_SHARE: u32 = 3;
    const SHARES_A_WORD: u32 = 4;
    const ID_BOUND_HIGH: u128 = 0x1000000000000000000000000000000; // 2^248 = 2^120 * 2^128

    #[storage]
    struct Storage {
        fact_registry: ContractAddress,
        programs: LegacyMap::<felt252, bool>,
        // By Integrity's hash of a configuration.
        configurations: LegacyMap::<felt252, bool>,
        min_security_bits: u32,
        anyone_records: bool,
        recorders: LegacyMap::<ContractAddress, bool>,
        // Of each allocation: its leaf, inputs_hash, and proposed shares and verdict in one felt.
        leaves: LegacyMap::<felt252, felt252>,
        inputs: LegacyMap::<felt252, felt252>,
        outcomes: LegacyMap::<felt252, felt252>,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Recorded: Recorded,
    }

    #[derive(Drop, starknet::Event)]
    struct Recorded {
        #[key]
        allocation_id: felt252,
        inputs_hash: felt252,
        verdict: felt252,
        fact_hash: felt252,
        index: u32,
    }

    #[constructor]
    fn constructor(
        ref self: ContractState,
        fact_registry: ContractAddress,
        programs: Array<felt252>,
        configurations: Array<VerifierConfiguration>,
        min_security_bits: u32,
        recorders: Array<ContractAddress>
    ) {
        assert(fact_registry.is_non_zero(), 'NO_FACT_REGISTRY');
        assert(!programs.is_empty(), 'NO_PROGRAM');
        assert(!configurations.is_empty(), 'NO_CONFIGURATION');
        assert(min_security_bits != 0, 'NO_SECURITY');
        self.fact_registry.write(fact_registry);
        self.min_security_bits.write(min_security_bits);
        self.anyone_records.write(recorders.is_empty());
        let mut programs = programs;
        loop {
            match programs.pop_front() {
                Option::Some(program) => self.programs.write(program, true),
                Option::None(()) => {
                    break;
                },
            };
        };
        let mut configurations = configurations;
        loop {
            match configurations.pop_front() {
                Option::Some(configuration) => self
                    .configurations
                    .write(configuration_hash(configuration), true),
                Option::None(()) => {
                    break;
                },
            };
        };
        let mut recorders = recorders;
        loop {
            match recorders.pop_front() {
                Option::Some(recorder) => self.recorders.write(recorder, true),
                Option::None(()) => {
                    break;
                },
            };
        };
    }

    #[external(v0)]
    impl DecisionRegistryImpl of super::IDecisionRegistry<ContractState> {
        fn record(
            ref self: ContractState,
            program_hash: felt252,
            count: u32,
            root: felt252,
            row: Array<felt252>,
            index: u32,
            path: Array<felt252>
        ) -> bool {
            assert(self.may_record(get_caller_address()), 'NOT_A_RECORDER');
            assert(self.programs.read(program_hash), 'PROGRAM_NOT_ACCEPTED');
            let row = row.span();
            let (leaf, outcome) = read_row(row);
            check_path(leaf, count, root, index, path.span());
            let fact_hash = fact_of(program_hash, count, root);
            check_fact(@self, fact_hash);

            let allocation_id = *row.at(0);
            let inputs_hash = *row.at(1);
            let known = self.leaves.read(allocation_id);
            if known == leaf {
                return false;
            }
            assert(known == 0, 'ANOTHER_DECISION');
            self.leaves.write(allocation_id, leaf);
            self.inputs.write(allocation_id, inputs_hash);
            self.outcomes.write(allocation_id, outcome);
            self
                .emit(
                    Event::Recorded(
                        Recorded {
                            allocation_id, inputs_hash, verdict: *row.at(3), fact_hash, index
                        }
                    )
                );
            true
        }

        fn is_approved(
            self: @ContractState, allocation_id: felt252, shares: Array<felt252>
        ) -> bool {
            let outcome = self.outcomes.read(allocation_id);
            outcome != 0 && outcome == approval_of(shares.span())
        }

        fn is_approved_for(
            self: @ContractState,
            allocation_id: felt252,
            inputs_hash: felt252,
            shares: Array<felt252>
        ) -> bool {
            let outcome = self.outcomes.read(allocation_id);
            outcome != 0
                && outcome == approval_of(shares.span())
                && self.inputs.read(allocation_id) == inputs_hash
        }

        fn decision(self: @ContractState, allocation_id: felt252) -> Decision {
            let leaf = self.leaves.read(allocation_id);
            let outcome: u256 = u256_from_felt252(self.outcomes.read(allocation_id));
            Decision {
                recorded: leaf != 0,
                inputs_hash: self.inputs.read(allocation_id),
                verdict: (outcome.low % 64_u128).into(),
                leaf
            }
        }

        fn fact_registry(self: @ContractState) -> ContractAddress {
            self.fact_registry.read()
        }

        fn accepts_program(self: @ContractState, program_hash: felt252) -> bool {
            self.programs.read(program_hash)
        }

        fn accepts_configuration(
            self: @ContractState, configuration: VerifierConfiguration
        ) -> bool {
            self.configurations.read(configuration_hash(configuration))
        }

        fn min_security_bits(self: @ContractState) -> u32 {
            self.min_security_bits.read()
        }

        fn may_record(self: @ContractState, account: ContractAddress) -> bool {
            self.anyone_records.read() || self.recorders.read(account)
        }
    }

    // Integrity's hashes: the output, then what the program can output, then the configuration.
    fn fact_of(program_hash: felt252, count: u32, root: felt252) -> felt252 {
        let mut output = ArrayTrait::new();
        output.append(SCHEMA);
        output.append(count.into());
        output.append(root);
        let mut fact = ArrayTrait::new();
        fact.append(program_hash);
        fact.append(poseidon_hash_span(output.span()));
        poseidon_hash_span(fact.span())
    }

    fn configuration_hash(configuration: VerifierConfiguration) -> felt252 {
        let mut members = ArrayTrait::new();
        members.append(configuration.layout);
        members.append(configuration.hasher);
        members.append(configuration.stone_version);
        members.append(configuration.memory_verification);
        poseidon_hash_span(members.span())
    }

    // Panics unless one verification of the fact has an accepted configuration *and* enough bits. Registration alone
    // says nothing: whoever pays chooses how well a proof is verified.
    fn check_fact(self: @ContractState, fact_hash: felt252) {
        let registry = IFactRegistryDispatcher { contract_address: self.fact_registry.read() };
        let mut verifications = registry.get_all_verifications_for_fact_hash(fact_hash);
        assert(!verifications.is_empty(), 'FACT_NOT_REGISTERED');
        let least = self.min_security_bits.read();
        let mut configured = false;
        let mut verified = false;
        loop {
            match verifications.pop_front() {
                Option::Some(found) => {
                    if self.configurations.read(configuration_hash(found.verifier_config)) {
                        configured = true;
                        if found.security_bits >= least {
                            verified = true;
                        }
                    }
                },
                Option::None(()) => {
                    break;
                },
            };
        };
        assert(configured, 'CONFIGURATION_NOT_ACCEPTED');
        assert(verified, 'TOO_FEW_SECURITY_BITS');
    }

    // The leaf of a row, and its proposed shares and verdict in one felt. Every member must be in the range that the
    // program shows: else two rows would have one leaf.
    fn read_row(row: Span<felt252>) -> (felt252, felt252) {
        assert(row.len() > ROW_HEADER, 'ROW_MALFORMED');
        let n: u32 = small(*row.at(4), 8);
        assert(n >= 2, 'ROW_MALFORMED');
        assert(row.len() == ROW_HEADER + n * ROW_SHARE, 'ROW_MALFORMED');
        let id = u256_from_felt252(*row.at(0));
        assert(id.high < ID_BOUND_HIGH, 'ROW_MALFORMED');
        assert(*row.at(2) == MODEL_VERSION, 'ROW_MALFORMED');
        let verdict = small(*row.at(3), VERDICTS - 1);

        let mut hash = pedersen(pedersen(ROW_TAG, *row.at(0)), *row.at(1));
        let mut word: felt252 = (verdict * 16 + n).into();
        let mut approval: felt252 = 1;
        let mut recommended_sum: u32 = 0;
        let mut proposed_sum: u32 = 0;
        let mut at: u32 = 0;
        loop {
            if at == n {
                break;
            }
            let first = ROW_HEADER + at * ROW_SHARE;
            let risk = small(*row.at(first), MAX_RISK);
            let recommended = small(*row.at(first + 1), WHOLE_BPS);
            let proposed = small(*row.at(first + 2), WHOLE_BPS);
            recommended_sum += recommended;
            proposed_sum += proposed;
            word = ((word * 0x80 + risk.into()) * 0x4000 + recommended.into()) * 0x4000
                + proposed.into();
            approval = approval * 0x4000 + proposed.into();
            at += 1;
            if at % SHARES_A_WORD == 0 && at != n {
                hash = pedersen(hash, word);
                word = 0;
            };
        };
        assert(recommended_sum == WHOLE_BPS, 'ROW_MALFORMED');
        assert(proposed_sum == WHOLE_BPS, 'ROW_MALFORMED');
        (pedersen(hash, word), approval * 64 + verdict.into())
    }

    // What the outcome of an approved allocation with these shares is; 0 for shares that no proposal has.
    fn approval_of(shares: Span<felt252>) -> felt252 {
        if shares.len() > 8 {
            return 0;
        }
        let mut shares = shares;
        let mut approval: felt252 = 1;
        let mut possible = true;
        loop {
            match shares.pop_front() {
                Option::Some(share) => {
                    let bps: Option<u32> = (*share).try_into();
                    match bps {
                        Option::Some(bps) => {
                            if bps > WHOLE_BPS {
                                possible = false;
                            }
                        },
                        Option::None(()) => {
                            possible = false;
                        },
                    };
                    approval = approval * 0x4000 + *share;
                },
                Option::None(()) => {
                    break;
                },
            };
        };
        if possible {
            approval * 64
        } else {
            0
        }
    }

    // Panics unless the leaf stands at `index` of a tree over `count` leaves with this root.
    fn check_path(leaf: felt252, count: u32, root: felt252, index: u32, path: Span<felt252>) {
        assert(count != 0 && count <= MAX_BATCH, 'COUNT_OUT_OF_RANGE');
        assert(index < count, 'INDEX_OUT_OF_RANGE');
        let mut path = path;
        let mut node = leaf;
        let mut place = index;
        let mut width = count;
        loop {
            if width == 1 {
                break;
            }
            let beside = path.pop_front();
            assert(beside.is_some(), 'PATH_LENGTH');
            let beside = *beside.unwrap();
            node = if place % 2 == 0 {
                pedersen(node, beside)
            } else {
                pedersen(beside, node)
            };
            place = place / 2;
            width = (width + 1) / 2;
        };
        assert(path.is_empty(), 'PATH_LENGTH');
        assert(node == root, 'PATH_WRONG');
    }

    fn small(value: felt252, most: u32) -> u32 {
        let read: Option<u32> = value.try_into();
        assert(read.is_some(), 'ROW_MALFORMED');
        let read = read.unwrap();
        assert(read <= most, 'ROW_MALFORMED');
        read
    }
}
