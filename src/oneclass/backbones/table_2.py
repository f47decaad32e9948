"""The paper's Table 2: its networks in shorthand, as printed.

C(filters, size, stride, padding), P(size, stride, padding), FC(units). The networks as published
pool 3 x 3 with stride 2, where the table prints P(2, 2, 0); the sizes of the maps agree.
"""

TABLE_2 = {
    "vgg-f": (
        "GS-I(224, 224, 3)-C_1(64, 11, 4, 0)-P_1(2, 2, 0)-C_2(256, 5, 1, 2)-P_2(2, 2, 0)-"
        "C_3(256, 3, 1, 1)-C_4(256, 3, 1, 1)-C_5(256, 3, 1, 1)-P_5(2, 2, 0)-"
        "FC_6(4096)-FC_7(4096)-FC_8(1000)"
    ),
    "vgg-m": (
        "GS-I(224, 224, 3)-C_1(96, 7, 2, 0)-P_1(2, 2, 0)-C_2(256, 5, 2, 1)-P_2(2, 2, 0)-"
        "C_3(512, 3, 1, 1)-C_4(512, 3, 1, 1)-C_5(512, 3, 1, 1)-P_5(2, 2, 0)-"
        "FC_6(4096)-FC_7(4096)-FC_8(1000)"
    ),
    "male-5045": (
        "GS-I(100, 100, 1)-C_1(32, 3, 1, 1)-C_2(64, 3, 1, 1)-P_2(2, 2, 0)-C_3(64, 3, 1, 1)-"
        "C_4(128, 3, 1, 1)-P_4(2, 2, 0)-C_5(96, 3, 1, 1)-C_6(256, 3, 1, 1)-P_6(2, 2, 1)-"
        "C_7(160, 3, 1, 1)-C_8(320, 3, 1, 1)-P_8(7, 1, 0)-FC_9(5045)"
    ),
}
