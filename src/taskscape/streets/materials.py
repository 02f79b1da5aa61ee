"""What surfaces are made of; ``render/textures.py`` says how each looks."""

(
    PLAIN, CARRIAGEWAY, JUNCTION, PAVEMENT, GRASS, FACADE, SHOP, BRICK, TILES, CONCRETE, FOLIAGE, BARK, PAINT, COACH,
    CARGO, TIRE, SPOKES, SIGN, LAMP, NIGHT_LAMP, CLOTH, METAL, WOOD, BALLAST, STRIPES, GLASS_PANE, PLATE,
) = range(27)  # fmt: skip
