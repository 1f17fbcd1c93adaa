"""Names, places, products and prices the sandbox draws from: data only, no logic.

Everything here is invented or a common word; nobody's real address, phone or shop.
"""

from typing import Final, NamedTuple


class Variant(NamedTuple):
    """One thing a Scalev store sells.

    Attributes:
        product: product name as the buyer sees it.
        option1: size, colour or taste; None when the product has one form.
        option2: second option, mostly None.
        price: unit price in whole rupiah, a multiple of 500.
        weight: grams, 0 for digital goods.
        item_type: `physical`, `digital`, `course`, `license` or `subscription`.
    """

    product: str
    option1: str | None
    option2: str | None
    price: int
    weight: int
    item_type: str = "physical"


class Shop(NamedTuple):
    """One KTSP shop with its three names."""

    code: str
    name_en: str
    name_sc: str
    name_tc: str
    low: int
    high: int


STORE_NAMES: Final = (
    "Batik Lestari Nusantara",
    "Herba Sehat Alami",
    "Dapur Bunda Rempah",
    "Kopi Gunung Jaya",
    "Muslimah Ayu Hijab",
    "Pustaka Cerdas Digital",
)
ZONES: Final = ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura")

CATALOGUES: Final[tuple[tuple[Variant, ...], ...]] = (
    (
        Variant("Kemeja Batik Parang Pria", "M", "Cokelat", 189_000, 350),
        Variant("Kemeja Batik Parang Pria", "L", "Cokelat", 189_000, 370),
        Variant("Kemeja Batik Parang Pria", "XL", "Navy", 199_000, 390),
        Variant("Dress Batik Mega Mendung", "S", "Biru", 245_000, 400),
        Variant("Dress Batik Mega Mendung", "M", "Biru", 245_000, 420),
        Variant("Sarung Tenun Goyor", None, None, 135_500, 500),
        Variant("Selendang Sutra Lasem", "Merah", None, 98_500, 150),
        Variant("Tas Anyam Rotan", "Kecil", None, 167_500, 800),
        Variant("Dompet Kulit Motif Kawung", None, None, 79_000, 200),
        Variant("E-book Pola Jahit Kebaya", None, None, 49_000, 0, "digital"),
        Variant("Kelas Membatik Online", None, None, 350_000, 0, "course"),
    ),
    (
        Variant("Madu Hutan Sumbawa 500 ml", None, None, 125_000, 750),
        Variant("Madu Hutan Sumbawa 1 liter", None, None, 229_500, 1_450),
        Variant("Minyak Kelapa Murni (VCO)", "250 ml", None, 68_500, 330),
        Variant("Kapsul Habbatussauda", "100 kapsul", None, 55_000, 120),
        Variant("Kapsul Habbatussauda", "200 kapsul", None, 99_000, 210),
        Variant("Teh Daun Kelor", "20 kantong", None, 32_500, 80),
        Variant("Jamu Kunyit Asam Siap Seduh", None, None, 27_000, 200),
        Variant("Sabun Sereh Wangi", "Isi 3", None, 45_000, 300),
        Variant("Balsem Pala Banda", None, None, 22_500, 60),
        Variant("Panduan Herbal Keluarga (PDF)", None, None, 39_000, 0, "digital"),
        Variant("Langganan Konsultasi Gizi", None, None, 75_000, 0, "subscription"),
    ),
    (
        Variant("Sambal Roa Manado", "Pedas", None, 38_500, 250),
        Variant("Sambal Roa Manado", "Ekstra Pedas", None, 40_000, 250),
        Variant("Rendang Sapi Kemasan 250 g", None, None, 92_500, 300),
        Variant("Bumbu Gulai Padang", "100 g", None, 18_500, 120),
        Variant("Bumbu Rawon Surabaya", "100 g", None, 18_500, 120),
        Variant("Keripik Singkong Balado", "500 g", None, 36_000, 520),
        Variant("Abon Ikan Tuna", "Original", None, 47_500, 160),
        Variant("Kue Kering Nastar", "Toples 500 g", None, 115_000, 650),
        Variant("Paket Hampers Lebaran", None, None, 385_000, 2_400),
        Variant("Sagu Lempeng Papua", None, None, 29_500, 400),
        Variant("Kelas Resep Rumahan", None, None, 149_000, 0, "course"),
    ),
)

GIVEN_NAMES: Final = (
    "Siti", "Budi", "Dewi", "Agus", "Putri", "Rizky", "Ayu", "Dimas", "Nur", "Eko",
    "Ratna", "Hendra", "Wulan", "Fajar", "Intan", "Yusuf", "Maya", "Bayu", "Lestari", "Andi",
    "Kartika", "Joko", "Melati", "Arif", "Citra", "Reza", "Sri", "Teguh", "Anisa", "Made",
)  # fmt: skip
FAMILY_NAMES: Final = (
    "Santoso", "Wijaya", "Lestari", "Saputra", "Rahmawati", "Hidayat", "Pratama", "Kusuma", "Nugroho", "Handayani",
    "Siregar", "Simanjuntak", "Wibowo", "Permata", "Halim", "Setiawan", "Maharani", "Gunawan", "Rumbiak", "Tanjung",
)  # fmt: skip
STREETS: Final = (
    "Jl. Melati", "Jl. Kenanga", "Jl. Diponegoro", "Jl. Sudirman", "Jl. Ahmad Yani", "Jl. Pahlawan",
    "Jl. Cendrawasih", "Gang Mawar", "Perum Griya Asri Blok C", "Jl. Hasanuddin",
)  # fmt: skip
# subdistrict, city, province, postal code, rupiah per kilogram of parcel
PLACES: Final[tuple[tuple[str, str, str, str, int], ...]] = (
    ("Coblong", "Kota Bandung", "Jawa Barat", "40132", 11_000),
    ("Tebet", "Kota Jakarta Selatan", "DKI Jakarta", "12810", 9_000),
    ("Gubeng", "Kota Surabaya", "Jawa Timur", "60281", 17_500),
    ("Banyumanik", "Kota Semarang", "Jawa Tengah", "50263", 15_000),
    ("Depok", "Kabupaten Sleman", "DI Yogyakarta", "55281", 16_000),
    ("Medan Baru", "Kota Medan", "Sumatera Utara", "20154", 29_000),
    ("Ilir Timur I", "Kota Palembang", "Sumatera Selatan", "30125", 24_500),
    ("Denpasar Barat", "Kota Denpasar", "Bali", "80119", 22_000),
    ("Panakkukang", "Kota Makassar", "Sulawesi Selatan", "90231", 32_000),
    ("Samarinda Ulu", "Kota Samarinda", "Kalimantan Timur", "75124", 38_500),
    ("Abepura", "Kota Jayapura", "Papua", "99351", 78_000),
)
# courier id, code, name, service id, service code, service name
COURIERS: Final[tuple[tuple[int, str, str, int, str, str], ...]] = (
    (1, "jne", "JNE", 11, "REG", "JNE Reguler"),
    (1, "jne", "JNE", 12, "YES", "JNE Yakin Esok Sampai"),
    (2, "jnt", "J&T Express", 21, "EZ", "J&T EZ"),
    (3, "sicepat", "SiCepat", 31, "REG", "SiCepat Reguler"),
    (3, "sicepat", "SiCepat", 32, "GOKIL", "SiCepat Gokil"),
    (4, "anteraja", "AnterAja", 41, "ND", "AnterAja Next Day"),
    (5, "ninja", "Ninja Xpress", 51, "STANDARD", "Ninja Standard"),
)
PRODUCT_CODES: Final = ("SAVE10", "HEMAT15", "GAJIAN", "save10 ", "RAMADAN20", "1111MANTAP")
SHIPPING_CODES: Final = ("ONGKIR8", "FREEONGKIR", "ONGKIR15")
NOTES: Final = (
    "Tolong dibungkus rapi ya kak",
    "Kirim setelah jam 5 sore",
    "Kado ulang tahun, jangan sertakan nota",
    "Rumah cat hijau, sebelah warung Bu Tini",
    "Warna kalau kosong boleh diganti",
)
BANKS: Final = (("014", "BCA"), ("009", "BNI"), ("002", "BRI"), ("008", "Mandiri"))

# HKD price bands are whole dollars.
SHOPS: Final = (
    Shop("KTSP010000001", "Stadium Megastore", "体育园旗舰店", "體育園旗艦店", 80, 1_200),
    Shop("KTSP010000002", "Harbour Noodle House", "海港面家", "海港麵家", 45, 320),
    Shop("KTSP010000003", "Runway Coffee", "跑道咖啡", "跑道咖啡", 28, 160),
    Shop("KTSP010000004", "Victoria Sports", "维多利亚体育用品", "維多利亞體育用品", 120, 2_600),
    Shop("KTSP010000005", "Golden Dragon Seafood", "金龙海鲜酒家", "金龍海鮮酒家", 260, 3_800),
    Shop("KTSP010000006", "Kowloon Bakery", "九龙饼店", "九龍餅店", 12, 140),
    Shop("KTSP010000007", "Lion Rock Outdoor", "狮子山户外", "獅子山戶外", 150, 3_200),
    Shop("KTSP010000008", "Fragrant Tea House", "香茗茶居", "香茗茶居", 30, 280),
    Shop("KTSP010000009", "Little Stars Toys", "小星星玩具", "小星星玩具", 60, 900),
    Shop("KTSP010000010", "Peak Eyewear", "山顶眼镜", "山頂眼鏡", 380, 4_200),
    Shop("KTSP010000011", "Bay Pharmacy", "湾畔药房", "灣畔藥房", 25, 480),
    Shop("KTSP010000012", "Sky Dining", "天际餐厅", "天際餐廳", 180, 1_900),
)
