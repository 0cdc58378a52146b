import { nodeName, streamId } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { Suspicion, type Unfollowed } from "./suspicion.ts";

const OLD = streamId(4);
const YOUNG = streamId(5);
const NO_STREAM = streamId(0);

const SETTINGS = { suspectAfterMs: 1000, endedAfterMs: 100 };
const node = nodeName("writer-2");

/** Its feed never came. */
const gone = (stream = OLD): Unfollowed[] => [{ stream, node, silentSince: undefined, hasEnded: false }];
/** Its link was given up at 500, heard last at 0. */
const silent = (stream: typeof OLD): Unfollowed[] => [{ stream, node, silentSince: 0, hasEnded: false }];
/** Its link ended. */
const ended = (stream: typeof OLD): Unfollowed[] => [
  { stream, node, silentSince: undefined, hasEnded: true },
];

describe("suspicion", () => {
  test("names a stream that had no feed for long enough, once in that time", () => {
    const suspicion = new Suspicion(SETTINGS, () => 0);
    const at = (now: number) => suspicion.check(gone(), YOUNG, false, now);
    expect(at(0)).toEqual([]);
    expect(at(999)).toEqual([]);
    expect(at(1000)).toEqual([OLD]);
    expect(at(1500)).toEqual([]);
    expect(at(2000)).toEqual([OLD]);
  });

  test("a feed in between clears it", () => {
    const suspicion = new Suspicion(SETTINGS, () => 0);
    suspicion.check(gone(), YOUNG, false, 0);
    suspicion.check([], YOUNG, false, 500);
    expect(suspicion.check(gone(), YOUNG, false, 1200)).toEqual([]);
  });

  test("silence counts from when the writer was heard last", () => {
    const suspicion = new Suspicion(SETTINGS, () => 0);
    const at = (now: number) => suspicion.check(silent(YOUNG), OLD, false, now);
    expect(at(500)).toEqual([]);
    expect(at(999)).toEqual([]);
    expect(at(1000)).toEqual([YOUNG]);
  });

  test("of two masters that do not hear each other the younger waits twice as long", () => {
    for (const own of [YOUNG, NO_STREAM]) {
      const suspicion = new Suspicion(SETTINGS, () => 0);
      const at = (now: number) => suspicion.check(silent(OLD), own, false, now);
      expect([at(500), at(1999), at(2000)]).toEqual([[], [], [OLD]]);
    }
  });

  test("a node that lost its own stream begins to count anew", () => {
    const suspicion = new Suspicion(SETTINGS, () => 0);
    const at = (now: number) => suspicion.check(silent(OLD), YOUNG, false, now);
    at(500);
    suspicion.fenced(1500);
    expect([at(2000), at(3499), at(3500)]).toEqual([[], [], [OLD]]);
  });

  test("nodes later in the list wait a little longer", () => {
    const suspicion = new Suspicion(SETTINGS, () => 2);
    const at = (now: number) => suspicion.check(gone(), YOUNG, false, now);
    expect([at(0), at(1249), at(1250)]).toEqual([[], [], [OLD]]);
  });

  test("a link that has ended is soon enough", () => {
    const suspicion = new Suspicion(SETTINGS, () => 0);
    const at = (now: number) => suspicion.check(ended(YOUNG), OLD, false, now);
    expect([at(0), at(99), at(100)]).toEqual([[], [], [YOUNG]]);
  });

  test("nobody ranks streams of an exclusive volume: a standby has none", () => {
    const suspicion = new Suspicion(SETTINGS, () => 0);
    const at = (now: number) => suspicion.check(silent(OLD), NO_STREAM, true, now);
    expect([at(500), at(999), at(1000)]).toEqual([[], [], [OLD]]);
  });
});
