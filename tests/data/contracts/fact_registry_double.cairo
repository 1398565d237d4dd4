// A stand-in for Integrity's registry of facts, for tests and demonstrations: it verifies nothing.
//
// It takes a proof as Integrity does, computes program, output and security bits from what the proof says of itself as
// Integrity's strict verification does, and believes it. It also says whatever it was told by `register`.

use array::ArrayTrait;
use starknet::ContractAddress;

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

#[derive(Copy, Drop, Serde)]
struct FactRegistered {
    fact_hash: felt252,
    verifier_address: ContractAddress,
    security_bits: u32,
    verifier_config: VerifierConfiguration,
    verification_hash: felt252,
}

// What Integrity's StarkProofWithSerde says of itself. No felt of commitments and witness is looked at.
#[derive(Drop)]
struct StatedProof {
    program_hash: felt252,
    output_hash: felt252,
    security_bits: u32,
}

impl StatedProofSerde of Serde<StatedProof> {
    fn serialize(self: @StatedProof, ref output: Array<felt252>) {
        // Nobody sends one: what was read of it says less than it did.
        output.append('NOT_SERIALIZED');
    }

    fn deserialize(ref serialized: Span<felt252>) -> Option<StatedProof> {
        stated::read(ref serialized)
    }
}

mod stated {
    use array::{Array, ArrayTrait, Span, SpanTrait};
    use option::OptionTrait;
    use poseidon::poseidon_hash_span;
    use super::StatedProof;
    use traits::{Into, TryInto};

    fn read(ref felts: Span<felt252>) -> Option<StatedProof> {
        skip(ref felts, 9)?; // tables of traces and composition
        skip(ref felts, 2)?; // FRI: size of the evaluation, number of layers
        skip_counted(ref felts)?;
        skip_counted(ref felts)?;
        skip(ref felts, 1)?;
        let pow_bits = number(ref felts)?;
        skip(ref felts, 1)?;
        let n_queries = number(ref felts)?;
        let log_n_cosets = number(ref felts)?;
        skip(ref felts, 1)?;

        skip(ref felts, 4)?; // steps, range checks, layout
        skip_counted(ref felts)?;
        skip(ref felts, 1)?;
        let segments = counted(ref felts)?;
        skip(ref felts, 3)?; // padding, number of cells
        let page = counted(ref felts)?;
        // Begin and end of program, execution, output.
        if segments.len() < 6 {
            return Option::None(());
        }
        let initial_fp: u32 = (*segments.at(2)).try_into()?;
        let output_len: u32 = (*segments.at(5) - *segments.at(4)).try_into()?;
        let cells = page.len() / 2;
        if initial_fp < 3 || initial_fp - 3 > cells || output_len > cells {
            return Option::None(());
        }
        // Commitments and witness.
        felts = felts.slice(felts.len(), 0);
        Option::Some(
            StatedProof {
                program_hash: hash_of_values(page, 0, initial_fp - 3),
                output_hash: hash_of_values(page, cells - output_len, output_len),
                security_bits: n_queries * log_n_cosets + pow_bits
            }
        )
    }

    // Of the values of `count` cells, each an address and a value.
    fn hash_of_values(page: Span<felt252>, first: u32, count: u32) -> felt252 {
        let mut values = ArrayTrait::new();
        let mut at = first;
        loop {
            if at == first + count {
                break;
            }
            values.append(*page.at(2 * at + 1));
            at += 1;
        };
        poseidon_hash_span(values.span())
    }

    fn number(ref felts: Span<felt252>) -> Option<u32> {
        let found = *felts.pop_front()?;
        found.try_into()
    }

    fn skip(ref felts: Span<felt252>, count: u32) -> Option<()> {
        if felts.len() < count {
            return Option::None(());
        }
        felts = felts.slice(count, felts.len() - count);
        Option::Some(())
    }

    fn counted(ref felts: Span<felt252>) -> Option<Span<felt252>> {
        let length = number(ref felts)?;
        if felts.len() < length {
            return Option::None(());
        }
        let found = felts.slice(0, length);
        felts = felts.slice(length, felts.len() - length);
        Option::Some(found)
    }

    fn skip_counted(ref felts: Span<felt252>) -> Option<()> {
        counted(ref felts)?;
        Option::Some(())
    }
}

#[starknet::contract]
mod FactRegistryDouble {
    use array::ArrayTrait;
    use option::OptionTrait;
    use poseidon::poseidon_hash_span;
    use starknet::get_contract_address;
    use super::{FactRegistered, StatedProof, StatedProofSerde, VerificationListElement, VerifierConfiguration};
    use traits::{Into, TryInto};

    #[storage]
    struct Storage {
        counts: LegacyMap::<felt252, u32>,
        // By fact, number and member.
        told: LegacyMap::<(felt252, u32, u32), felt252>,
        verifications: LegacyMap::<felt252, bool>,
    }

    // Integrity's, but that the proof is believed.
    #[external(v0)]
    fn verify_proof_full_and_register_fact(
        ref self: ContractState, verifier_config: VerifierConfiguration, stark_proof: StatedProof
    ) -> FactRegistered {
        let fact_hash = hash_of_two(stark_proof.program_hash, stark_proof.output_hash);
        let security_bits = stark_proof.security_bits;
        let mut members = ArrayTrait::new();
        members.append(verifier_config.layout);
        members.append(verifier_config.hasher);
        members.append(verifier_config.stone_version);
        members.append(verifier_config.memory_verification);
        let mut verification = ArrayTrait::new();
        verification.append(fact_hash);
        verification.append(poseidon_hash_span(members.span()));
        verification.append(security_bits.into());
        let verification_hash = poseidon_hash_span(verification.span());
        if !self.verifications.read(verification_hash) {
            self.verifications.write(verification_hash, true);
            register(ref self, fact_hash, VerificationListElement { verification_hash, security_bits, verifier_config });
        }
        FactRegistered {
            fact_hash,
            verifier_address: get_contract_address(),
            security_bits,
            verifier_config,
            verification_hash
        }
    }

    #[external(v0)]
    fn register(ref self: ContractState, fact_hash: felt252, verification: VerificationListElement) {
        let number = self.counts.read(fact_hash);
        let config = verification.verifier_config;
        self.told.write((fact_hash, number, 0), verification.verification_hash);
        self.told.write((fact_hash, number, 1), verification.security_bits.into());
        self.told.write((fact_hash, number, 2), config.layout);
        self.told.write((fact_hash, number, 3), config.hasher);
        self.told.write((fact_hash, number, 4), config.stone_version);
        self.told.write((fact_hash, number, 5), config.memory_verification);
        self.counts.write(fact_hash, number + 1);
    }

    #[external(v0)]
    fn get_all_verifications_for_fact_hash(
        self: @ContractState, fact_hash: felt252
    ) -> Array<VerificationListElement> {
        let mut found = ArrayTrait::new();
        let count = self.counts.read(fact_hash);
        let mut number: u32 = 0;
        loop {
            if number == count {
                break;
            }
            found
                .append(
                    VerificationListElement {
                        verification_hash: self.told.read((fact_hash, number, 0)),
                        security_bits: self.told.read((fact_hash, number, 1)).try_into().unwrap(),
                        verifier_config: VerifierConfiguration {
                            layout: self.told.read((fact_hash, number, 2)),
                            hasher: self.told.read((fact_hash, number, 3)),
                            stone_version: self.told.read((fact_hash, number, 4)),
                            memory_verification: self.told.read((fact_hash, number, 5)),
                        }
                    }
                );
            number += 1;
        };
        found
    }

    fn hash_of_two(first: felt252, second: felt252) -> felt252 {
        let mut felts = ArrayTrait::new();
        felts.append(first);
        felts.append(second);
        poseidon_hash_span(felts.span())
    }
}
