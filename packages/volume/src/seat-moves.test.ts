import { describe, expect, test } from "vitest";
import { endMove, moveSeats, nodeName, type Manifest, type NodeName, type PlantedBug } from "@sixfold/model";
import { ManifestCheck } from "./manifest-check.ts";
import { Outbox } from "./outbox.ts";
import { MANY_SERVERS, firstManifest } from "./test-kit/register-life.ts";
import { C, D, EVERYBODY, noted, reaching, SeatScript, shown, type Reach } from "./test-kit/seat-script.ts";

const ALL = reaching(...EVERYBODY);
const A1 = nodeName("a1");
const A3 = nodeName("a3");
const moveTo = (to: readonly NodeName[]) => (m: Manifest | undefined) => moveSeats(m!, to);
const end = (m: Manifest | undefined): Manifest => endMove(m!);

/** C gives its seats to others, in two steps; everybody hears it. */
function move(script: SeatScript, to: readonly NodeName[], heardBy: Reach = ALL): void {
  expect(script.proposer().change(moveTo(to), heardBy).result?.changed).toBe(true);
  expect(script.proposer().change(end, heardBy).result?.changed).toBe(true);
}

describe("the seats of the manifest", () => {
  test("move to six others, who hold it alone", () => {
    const script = new SeatScript().created();
    move(script, D);
    const p = script.proposer().change(noted("x"), ALL);
    expect(shown(p.result?.manifest)).toBe("4: x");
    // Who knows the seats asks nobody else.
    expect(new Set(p.read(ALL).sent)).toEqual(new Set(D.map((seat) => `manifestPrepare ${seat}`)));
    // All of C may go.
    expect(shown(script.proposer().read(reaching(...D)).result?.manifest)).toBe("4: x");
  });

  test("while they move, both sets hold it, and a majority of each is needed", () => {
    const script = new SeatScript().created();
    expect(script.proposer().change(moveTo(D), reaching(...C, ...D.slice(0, 3))).result).toBeUndefined();
    expect(script.proposer().change(noted("x"), reaching(...C)).result).toBeUndefined();
    expect(script.proposer().change(noted("x"), reaching(...C.slice(0, 3), ...D)).result).toBeUndefined();
    const p = script.proposer().change(noted("x"), reaching(...C.slice(0, 4), ...D.slice(2)));
    expect(p.result?.manifest).toMatchObject({ seats: C, nextSeats: D });
    expect(p.result?.changed).toBe(true);
  });

  test("a proposer that slept through two moves, with its seats gone, finds the new ones", () => {
    const script = new SeatScript().created();
    const sleeper = script.proposer().read(ALL);
    move(script, D);
    const others = [...D.slice(0, 5), nodeName("c5")];
    move(script, others, reaching(...D, ...others));
    const alive = reaching(...others);
    sleeper.change(noted("x"), alive);
    expect(sleeper.result).toBeUndefined();
    expect(shown(sleeper.again(alive).result?.manifest)).toBe("6: x");
  });

  test("a proposer that sleeps in its phase 2 is refused when it wakes, though the seats are where they were", () => {
    const script = new SeatScript().created();
    const sleeper = script.proposer().change(noted("late"), { prepare: C, accept: [] });
    move(script, D);
    move(script, C);
    script.proposer().change(noted("x"), ALL);
    expect(sleeper.wakes({ prepare: [], accept: [] }).result).toBeUndefined();
    expect(shown(script.proposer().read(ALL).result?.manifest)).toBe("6: x");
    expect(shown(sleeper.again(ALL).result?.manifest)).toBe("7: x late");
  });

  test("a move that one seat alone has heard of goes on, and is not ended before both sets hold it", () => {
    const script = new SeatScript().created();
    script.proposer().change(moveTo(D), { prepare: C, accept: [A1] });
    const p = script.proposer().change(end, ALL);
    expect(p.result).toMatchObject({ changed: true, manifest: { revision: 3, seats: D, nextSeats: [] } });
    // Written back, then looked at again, then ended: two rounds, and each of them asks both sets in both phases.
    expect(p.sent.filter((m) => m === `manifestAccept ${A1}`)).toHaveLength(2);
  });

  test("what one of the two sets alone has accepted is not chosen: an end of the move that was not heard of yet may pass it by", () => {
    const script = new SeatScript().created();
    script.proposer().change(moveTo(D), ALL);
    script.proposer().change(end, { prepare: EVERYBODY, accept: [A3] });
    const notA3 = EVERYBODY.filter((name) => name !== A3);
    expect(script.proposer().change(noted("x"), { prepare: notA3, accept: C }).result).toBeUndefined();
    expect(script.proposer().read({ prepare: notA3, accept: C }).result).toBeUndefined();
    const passedBy = script.proposer().read(reaching(...D)).result?.manifest;
    expect([shown(passedBy), passedBy?.seats]).toEqual(["3: ", D]);
    expect(shown(script.proposer().read(ALL).result?.manifest)).toBe("3: ");
  });

  test("a list of servers of long ago is enough while a seat among them knows more", () => {
    const script = new SeatScript().created();
    const old = MANY_SERVERS.filter((s) => C.includes(s.name));
    move(script, D);
    expect(shown(script.proposer(old).change(noted("x"), ALL).result?.manifest)).toBe("4: x");
  });

  test("lists in another order do not make a second manifest", () => {
    const script = new SeatScript();
    const p = script.proposer();
    p.change(() => firstManifest(MANY_SERVERS, C), reaching(...C.slice(0, 4)));
    expect(p.result).toBeUndefined();
    p.again(reaching(...C.slice(0, 4), ...D, nodeName("a5"), nodeName("b5")));
    expect(p.result?.changed).toBe(true);
    const other = script.proposer([...MANY_SERVERS].reverse());
    const twelve = EVERYBODY.filter((name) => !["a1", "a2", "b1"].includes(name));
    expect(other.read(reaching(...twelve.slice(1))).result).toBeUndefined();
    expect(shown(other.again(reaching(...EVERYBODY.slice(1))).result?.manifest)).toBe("1: ");
  });

  test("what is not one of the two steps is refused", () => {
    const one = firstManifest(MANY_SERVERS, C);
    const both = moveSeats(one, D);
    expect(() => moveSeats(both, C)).toThrow(/one move/);
    expect(() => moveSeats(one, [...C.slice(1), C[1]!])).toThrow(/six seats/);
    expect(() => moveSeats(one, [...C.slice(1), nodeName("z1")])).toThrow(/servers of the volume/);
    expect(() => endMove(one)).toThrow(/moving/);
    const script = new SeatScript().created();
    expect(() => script.proposer().change((m) => ({ ...m!, seats: D }), ALL)).toThrow(/both sets/);
    expect(() => new SeatScript().proposer().change(() => firstManifest(MANY_SERVERS, D), ALL)).toThrow(
      /first seats/,
    );
  });
});

describe("rules of the moving seats, broken", () => {
  function readAtOld(planted: readonly PlantedBug[]): { readonly written: string; readonly read: string } {
    const script = new SeatScript(planted).created();
    const knowsC = script.proposer().read(ALL);
    script.proposer().change(moveTo(D), ALL);
    script.proposer().change(end, { prepare: EVERYBODY, accept: D });
    const written = script.proposer().change(noted("x"), reaching(...D)).result?.manifest;
    return { written: shown(written), read: shown(knowsC.read(ALL).result?.manifest) };
  }

  test("while the seats move, a majority of the old six is not enough", () => {
    expect(readAtOld([])).toEqual({ written: "4: x", read: "4: x" });
    expect(readAtOld(["moving-seats-in-old-set-only"])).toEqual({ written: "4: x", read: "2: " });
  });

  function endedUnsettled(planted: readonly PlantedBug[]): {
    readonly written: string;
    readonly read: string;
  } {
    const script = new SeatScript(planted).created();
    script.proposer().change(moveTo(D), { prepare: C, accept: [A1] });
    script.proposer().change(end, { prepare: EVERYBODY, accept: [A3] });
    const written = script.proposer().change(noted("x"), reaching(...D)).result?.manifest;
    const read = script
      .proposer()
      .read(reaching(...EVERYBODY.filter((name) => name !== A1 && !D.includes(name))));
    return { written: shown(written), read: shown(read.result?.manifest) };
  }

  test("a move ends only when the value with both sets was chosen", () => {
    expect(endedUnsettled([]).written).toBe("nothing");
    expect(endedUnsettled(["seats-move-unsettled"])).toEqual({ written: "4: x", read: "1: " });
  });
});

describe("the manifest check", () => {
  function checked(
    known: Manifest,
    answers: readonly (readonly [NodeName, number])[],
  ): (boolean | undefined)[] {
    const out = new Outbox();
    for (const name of EVERYBODY) out.linkUp(name);
    const check = new ManifestCheck(out, C, 300);
    const request = check.start(known, 0) + 1;
    return answers.map(([from, revision]) => {
      out.effects.length = 0;
      check.onPeeked(from, {
        type: "manifestPeeked",
        request,
        promised: undefined,
        value: { ...known, revision },
      });
      const answer = out.effects.find((e) => e.kind === "manifestChecked");
      return answer?.unchanged;
    });
  }
  const one: Manifest = { ...firstManifest(MANY_SERVERS, C), revision: 7 };
  const same = (seats: readonly NodeName[]) => seats.map((seat) => [seat, 7] as const);

  test("hears three seats of each set", () => {
    const asked = checked(one, same([...D.slice(0, 3), ...C.slice(0, 3)]));
    expect(asked).toEqual([undefined, undefined, undefined, undefined, undefined, true]);
    const both = moveSeats(one, D);
    expect(checked(both, same([...C, ...D.slice(0, 3)])).indexOf(true)).toBe(8);
    expect(checked(both, [...same(C), [D[0]!, 8]]).pop()).toBe(false);
  });

  test("that gets no three answers is answered by a read, once", () => {
    const out = new Outbox();
    const check = new ManifestCheck(out, C, 300);
    const number = check.start(one, 0);
    expect([check.tick(299), check.tick(300), check.tick(600)]).toEqual([undefined, number, undefined]);
    const newer = check.start(one, 700);
    check.onRead(number, one);
    expect(out.effects).toEqual([]);
    check.onRead(newer, { ...one, revision: 8 });
    expect(out.effects).toEqual([{ kind: "manifestChecked", check: newer, unchanged: false }]);
  });
});
