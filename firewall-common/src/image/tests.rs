use super::{
    FIRST_LEVEL_LINES, GROUP_LINES, Group, Line, lookup4, lookup6, rank,
    v4::{item, node, node_descriptor},
};

/// Numbers without a pattern (xorshift64*).
fn random() -> impl FnMut() -> u64 {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// An image that starts with `lines` and whose coarse bits are all set.
fn image(lines: &[Line]) -> Vec<Line> {
    let mut image = vec![[0; 8]; FIRST_LEVEL_LINES];
    image[..lines.len()].copy_from_slice(lines);
    image[GROUP_LINES..].fill([u64::MAX; 8]);
    image
}

#[test]
fn rank_counts_the_bits_below_a_set_bit() {
    assert_eq!(rank(0b1011, 0), Some(0));
    assert_eq!(rank(0b1011, 2), None);
    assert_eq!(rank(0b1011, 3), Some(2));
    assert_eq!(rank(u64::MAX, 63), Some(63));
}

#[test]
fn an_empty_image_and_no_image_list_nothing() {
    let lines = vec![[0; 8]; FIRST_LEVEL_LINES];
    for lines in [lines.as_slice(), &[]] {
        assert_eq!(lookup4(lines, 0xc000_0207), 0);
        assert_eq!(lookup6(lines, u64::MAX, 1), 0);
    }
}

#[test]
fn the_default_of_a_group_answers_for_all_its_networks() {
    let group = Group::new(0, 0, 9, false);
    // 0.0.64.0/18 is the second group of the first line.
    let lines = image(&[[0, 0, group.listed, group.rest, 0, 0, 0, 0]]);
    let addresses = [0x3fff, 0x4000, 0x7fff, 0x8000];
    assert_eq!(
        addresses.map(|address| lookup4(lines.as_slice(), address)),
        [0, 9, 9, 0]
    );
}

/// Group by group: the bit of each is its own, and without it the group is as if empty.
#[test]
fn a_group_without_its_coarse_bit_is_not_looked_at() {
    let group = Group::new(0, 0, 9, false);
    let groups = vec![[group.listed, group.rest].repeat(4).try_into().unwrap(); GROUP_LINES];
    let mut lines = image(&groups);
    lines[GROUP_LINES..].fill([0; 8]);
    for index in [0, 1, 63, 64, 511, 512, 100_000, (1 << 18) - 1] {
        let (line, word, bit) = Group::coarse(index << 14);
        lines[line as usize][word] = 1 << bit;
        for near in [
            index.saturating_sub(1),
            index,
            (index + 1).min((1 << 18) - 1),
        ] {
            let expected = if near == index { 9 } else { 0 };
            for address in [near << 14, near << 14 | 0x3fff] {
                assert_eq!(
                    lookup4(lines.as_slice(), address),
                    expected,
                    "{index} {near}"
                );
                assert_eq!(
                    lookup6(lines.as_slice(), u64::from(address) << 32, 0),
                    expected
                );
            }
        }
        lines[line as usize][word] = 0;
    }
}

#[test]
fn a_node_ranks_hits_over_all_its_words() {
    // One hit in the middle of each word; their classes follow the cover in the line.
    let mut node = node([1 << 32; 4], 7, 0);
    node[5] |= 1 << 16 | 2 << 32 | 3 << 48;
    node[6] = 4;
    let group = Group::new(1, 2 * 16, 0, false);
    let first = [group.listed, group.rest, 0, 0, 0, 0, 0, 0];
    let descriptor = [node_descriptor(1).into(), 0, 0, 0, 0, 0, 0, 0];
    let lines = image(&[first, node, descriptor]);
    let addresses = [32, 96, 160, 224, 31, 255];
    assert_eq!(
        addresses.map(|address| lookup4(lines.as_slice(), address)),
        [1, 2, 3, 4, 7, 7]
    );
}

#[test]
fn an_item_matches_the_addresses_above_its_wildcard_bits() {
    let group = Group::new(1, 16, 0, false);
    let first = [group.listed, group.rest, 0, 0, 0, 0, 0, 0];
    for wildcard_bits in 0..=8 {
        let second = [item(5, 0x80, wildcard_bits).into(), 0, 0, 0, 0, 0, 0, 0];
        let lines = image(&[first, second]);
        let matching = (0..256).filter(|address| lookup4(lines.as_slice(), *address) == 5);
        assert_eq!(matching.count(), 1 << wildcard_bits);
    }
}

/// Garbage must not hang, panic or overflow: the kernel program has no way to do either.
#[test]
fn a_lookup_ends_whatever_the_lines_say() {
    let mut random = random();
    for _ in 0..200 {
        // Small indexes, so that most references lead somewhere.
        let mut lines: Vec<Line> = vec![[0; 8]; 64];
        lines
            .iter_mut()
            .flatten()
            .for_each(|word| *word = random() & 0xc7ff_ffff_c000_003f);
        let lines = image(&lines);
        for _ in 0..500 {
            let (high, low) = (random() & 0x003f_ffff_ffff_ffff, random());
            lookup4(lines.as_slice(), (high >> 32) as u32);
            lookup6(lines.as_slice(), high, low);
        }
    }
}
