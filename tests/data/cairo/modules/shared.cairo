// A module that is not the program's own: with spans "own" its functions count to their callers.

func twice(a: felt) -> (b: felt) {
    return (b=a + a);
}

// Calls whatever it is given.
func apply(f: felt*, a: felt) -> (b: felt) {
    [ap] = a, ap++;
    call abs f;
    ret;
}

func refuse(a: felt) -> (b: felt) {
    assert a = a + 1;
    return (b=a);
}

// A loop of its own, which calls back in each iteration.
func each(f: felt*, n: felt) -> (n: felt) {
    if (n == 0) {
        return (n=0);
    }
    apply(f, n);
    return each(f, n - 1);
}
