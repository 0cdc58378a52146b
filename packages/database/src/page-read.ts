/** Storage's answer to a page read, handed to the engine. */
import type { Engine } from "@sixfold/engine";
import { NONE, SixfoldError } from "@sixfold/model";
import type { VolumeEffect } from "@sixfold/volume";

export function pageRead(engine: Engine, effect: Extract<VolumeEffect, { kind: "page" }>, now: number): void {
  const { page, readPoint, answer } = effect;
  switch (answer.kind) {
    case "page":
      return engine.pagesLoaded([{ page, image: answer.image, version: answer.version, readPoint }], now);
    case "empty":
      return engine.pagesLoaded([{ page, image: undefined, version: NONE, readPoint }], now);
    case "too-old":
      return engine.loadFailed([page], readPoint, "too-old", now);
    case "unavailable":
      return engine.loadFailed([page], readPoint, unreadable(page), now);
  }
}

function unreadable(page: number): SixfoldError {
  return new SixfoldError("unavailable", `page ${page} cannot be read: too few of its segments answer`, {
    details: { page },
  });
}
