import { nodeName, streamId } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { Suspicion, type Unfollowed } from "./suspicion.ts";

const OLD = streamId(4);
const YOUNG = streamId(5);
const NO_STREAM = streamId(0);

/** Its link ended. */
const gone = (stream = OLD): Unfollowed[] => [{ stream, node: nodeName("writer-2"), silentSince: undefined }];
/** Its link was given up at 500, heard last at 0. */
const silent = (stream: typeof OLD): Unfollowed[] => [{ stream, node: nodeName("writer-2"), silentSince: 0 }];

describe("suspicion", () => {
  test("names a stream that had no feed for long enough, once in that time", () => {
    const suspicion = new Suspicion(1000, 0);
    const at = (now: number) => suspicion.check(gone(), YOUNG, now);
    expect(at(0)).toEqual([]);
    expect(at(999)).toEqual([]);
    expect(at(1000)).toEqual([OLD]);
    expect(at(1500)).toEqual([]);
    expect(at(2000)).toEqual([OLD]);
  });

  test("a feed in between clears it", () => {
    const suspicion = new Suspicion(1000, 0);
    suspicion.check(gone(), YOUNG, 0);
    suspicion.check([], YOUNG, 500);
    expect(suspicion.check(gone(), YOUNG, 1200)).toEqual([]);
  });

  test("silence counts from when the writer was heard last", () => {
    const suspicion = new Suspicion(1000, 0);
    const at = (now: number) => suspicion.check(silent(YOUNG), OLD, now);
    expect(at(500)).toEqual([]);
    expect(at(999)).toEqual([]);
    expect(at(1000)).toEqual([YOUNG]);
  });

  test("of two masters that do not hear each other the younger waits twice as long", () => {
    for (const own of [YOUNG, NO_STREAM]) {
      const suspicion = new Suspicion(1000, 0);
      const at = (now: number) => suspicion.check(silent(OLD), own, now);
      expect([at(500), at(1999), at(2000)]).toEqual([[], [], [OLD]]);
    }
  });

  test("a node that lost its own stream begins to count anew", () => {
    const suspicion = new Suspicion(1000, 0);
    const at = (now: number) => suspicion.check(silent(OLD), YOUNG, now);
    at(500);
    suspicion.fenced(1500);
    expect([at(2000), at(3499), at(3500)]).toEqual([[], [], [OLD]]);
  });

  test("nodes later in the list wait a little longer", () => {
    const suspicion = new Suspicion(1000, 2);
    const at = (now: number) => suspicion.check(gone(), YOUNG, now);
    expect([at(0), at(1249), at(1250)]).toEqual([[], [], [OLD]]);
  });
});
