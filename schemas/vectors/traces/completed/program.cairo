// Structs, tuples and pointers as arguments and return values; felts of every size; a function of another module.
%builtins output

from starkware.cairo.common.alloc import alloc

struct Point {
    x: felt,
    y: felt,
}

struct Line {
    from_: Point,
    to: (point: Point, weight: felt),
}

func squared(p: Point) -> (n: felt) {
    return (n=p.x * p.x + p.y * p.y);
}

func length(line: Line) -> (n: felt, middle: Point) {
    let (n) = squared(Point(x=line.to.point.x - line.from_.x, y=line.to.point.y - line.from_.y));
    return (n=n * line.to.weight, middle=Point(x=line.from_.x, y=line.to.point.y));
}

func store(at: felt*, value: felt) -> (next: felt*) {
    assert [at] = value;
    return (next=at + 1);
}

func nothing() {
    return ();
}

func main{output_ptr: felt*}() {
    alloc_locals;
    local x;
    local y;
    local large;
    %{
        ids.x = program_input["x"]
        ids.y = program_input["y"]
        ids.large = program_input["large"]
    %}
    let (n, middle) = length(
        Line(from_=Point(x=x, y=y), to=(point=Point(x=1, y=large), weight=3))
    );
    nothing();
    let (scratch) = alloc();
    store(scratch, 5);
    let (output_ptr) = store(output_ptr, n);
    let (output_ptr) = store(output_ptr, middle.y);
    return ();
}
