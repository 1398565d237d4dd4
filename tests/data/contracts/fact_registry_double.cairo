// A stand-in for Integrity's registry of facts, for tests alone: it says whatever it was told.

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

#[starknet::contract]
mod FactRegistryDouble {
    use array::ArrayTrait;
    use super::{VerificationListElement, VerifierConfiguration};
    use traits::{Into, TryInto};
    use option::OptionTrait;

    #[storage]
    struct Storage {
        counts: LegacyMap::<felt252, u32>,
        // By fact, number and member.
        told: LegacyMap::<(felt252, u32, u32), felt252>,
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
}
