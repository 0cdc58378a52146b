export * from "./engine-api.ts";
export { Engine } from "./engine.ts";
export { extentCount, readExtentHeader } from "./extents.ts";
export { checkVolume, type VolumeReport } from "./volume-check.ts";
