/** The name of the built-in stores, which shares use that name none. Without a path they are each share's own directory. */
export const defaultStore = "default";
