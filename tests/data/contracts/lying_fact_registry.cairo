// A registry of facts that lies, for tests alone: whatever it is asked, it has verified with the configuration and the
// bits that it was made with. Made with no bits, its answers are no verifications at all.

#[derive(Copy, Drop, Serde)]
struct VerifierConfiguration {
    layout: felt252,
    hasher: felt252,
    stone_version: felt252,
    memory_verification: felt252,
}

#[starknet::contract]
mod LyingFactRegistry {
    use array::ArrayTrait;
    use super::VerifierConfiguration;

    #[storage]
    struct Storage {
        bits: felt252,
        // By member.
        configuration: LegacyMap::<u32, felt252>,
    }

    #[constructor]
    fn constructor(ref self: ContractState, bits: felt252, configuration: VerifierConfiguration) {
        self.bits.write(bits);
        self.configuration.write(0, configuration.layout);
        self.configuration.write(1, configuration.hasher);
        self.configuration.write(2, configuration.stone_version);
        self.configuration.write(3, configuration.memory_verification);
    }

    // Its answer is spelled as an array of verifications is, which begins with its length.
    #[external(v0)]
    fn get_all_verifications_for_fact_hash(
        self: @ContractState, fact_hash: felt252
    ) -> (felt252, felt252, felt252, VerifierConfiguration) {
        let bits = self.bits.read();
        let length = if bits == 0 {
            2
        } else {
            1
        };
        (
            length,
            fact_hash,
            bits,
            VerifierConfiguration {
                layout: self.configuration.read(0),
                hasher: self.configuration.read(1),
                stone_version: self.configuration.read(2),
                memory_verification: self.configuration.read(3),
            }
        )
    }
}
